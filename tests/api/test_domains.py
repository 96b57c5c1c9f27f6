"""Domains and certificates over the API: what is stored, what visitors' router and the log are told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api
from tests.pki import Issued, chain, ders, issue

DOMAINS, CERTS = "/apps/blog/domains", "/apps/blog/sni-endpoints"
CERTIFICATE = issue("www.example.com", "*.shop.example.com")


def pair(issued: Issued) -> dict[str, str]:
    return {"certificate_chain": issued.pem, "private_key": issued.key_pem}


async def add(api: Api, hostname: str, endpoint: str | None = None) -> Any:
    answer = await api.request("POST", DOMAINS, {"hostname": hostname, "sni_endpoint": endpoint})
    assert answer.status == 201, answer.text
    return answer.json


async def upload(api: Api, issued: Issued = CERTIFICATE) -> Any:
    answer = await api.request("POST", CERTS, pair(issued))
    assert answer.status == 201, answer.text
    return answer.json


async def test_a_domain_is_added_shown_and_removed(api: Api) -> None:
    app = await api.create()

    made = await add(api, "WWW.Bücher.example.")

    assert (made["hostname"], made["kind"], made["status"]) == ("www.xn--bcher-kva.example", "custom", "succeeded")
    assert (made["cname"], made["sni_endpoint"], made["acm_status"]) == ("blog.localhost", None, None)
    default = await api.get(f"{DOMAINS}/blog.localhost")
    assert (default["kind"], default["cname"]) == ("heroku", None)
    assert await api.get(DOMAINS) == [default, made]
    assert await api.get(f"{DOMAINS}/{made['id']}") == await api.get(f"{DOMAINS}/WWW.xn--bcher-kva.example.") == made
    assert (await api.request("DELETE", f"{DOMAINS}/{made['hostname']}")).json == made
    assert await api.get(DOMAINS) == [default]
    assert api.router.refreshed == [app.id, app.id]
    assert api.app_log.said == [
        "Add domain www.xn--bcher-kva.example by user admin@localhost",
        "Remove domain www.xn--bcher-kva.example by user admin@localhost",
    ]


async def test_a_domain_has_one_app(api: Api) -> None:
    await api.create()
    await api.create("other")
    await add(api, "*.example.com")

    again = await api.request("POST", DOMAINS, {"hostname": "*.EXAMPLE.com"})
    elsewhere = await api.request("POST", "/apps/other/domains", {"hostname": "*.example.com", "sni_endpoint": None})

    assert (again.status, again.json["message"].splitlines()[0]) == (422, "Domain already added to this app.")
    assert (elsewhere.status, elsewhere.json["message"].splitlines()[0]) == (
        422,
        "*.example.com is currently in use by another app.",
    )
    assert len(await api.get("/apps/other/domains")) == 1
    assert (await api.request("GET", "/apps/other/domains/*.example.com")).status == 404
    await api.request("DELETE", "/apps/blog")
    assert (await api.request("POST", "/apps/other/domains", {"hostname": "*.example.com"})).status == 201


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("*.example.com", "www.example.com", 422),
        ("www.example.com", "*.example.com", 422),
        ("*.example.com", "a.www.example.com", 201),
        ("*.example.com", "*.www.example.com", 201),
        ("*.example.com", "example.com", 201),
        ("www.example.com", "shop.example.com", 201),
    ],
)
async def test_a_wildcard_and_its_names_have_one_owner(api: Api, first: str, second: str, status: int) -> None:
    await api.create()
    await add(api, first)
    await api.create("mine")
    assert (await api.request("POST", "/apps/mine/domains", {"hostname": second})).status == 201
    await api.request("DELETE", "/apps/mine")
    await api.request("POST", "/apps/blog/collaborators", {"user": "eve@example.com"})
    eve = await api.store.users.maybe_by_email("eve@example.com")
    assert eve is not None
    await api.store.apps.create("hers", eve)

    answer = await api.request("POST", "/apps/hers/domains", {"hostname": second})

    assert (answer.status, "another user's app" in answer.text) == (status, status == 422)


async def test_the_default_domain_stays(api: Api) -> None:
    await api.create()
    default = (await api.get(DOMAINS))[0]

    for which in (default["hostname"], default["id"], "BLOG.localhost."):
        answer = await api.request("DELETE", f"{DOMAINS}/{which}")
        assert (answer.status, "default domain and stays" in answer.text) == (422, True)
    assert api.router.refreshed == []


async def test_domains_follow_a_rename_and_are_paged(api: Api) -> None:
    await api.create()
    for number in range(3):
        await add(api, f"www{number}.example.com")
    await api.request("PATCH", "/apps/blog", {"name": "shop"})

    first = await api.request("GET", "/apps/shop/domains", headers={"Range": "hostname ..; max=2;"})
    rest = await api.request("GET", "/apps/shop/domains", headers={"Range": first.headers["Next-Range"]})

    assert (first.status, rest.status) == (206, 200)
    assert [row["hostname"] for row in [*first.json, *rest.json]] == [
        "shop.localhost", "www0.example.com", "www1.example.com", "www2.example.com",
    ]  # fmt: skip
    assert {row["cname"] for row in rest.json} == {"shop.localhost"}
    by_id = await api.request("GET", "/apps/shop/domains", headers={"Range": "id ..; max=1000;"})
    assert (by_id.status, len(by_id.json)) == (200, 4)


async def test_a_certificate_is_uploaded_shown_and_removed(api: Api) -> None:
    await api.create()

    made = await upload(api)

    assert made["domains"] == []
    assert made["display_name"] is None
    assert made["ssl_cert"]["cert_domains"] == ["www.example.com", "*.shop.example.com"]
    assert made["ssl_cert"]["issuer"] == made["ssl_cert"]["subject"] == "/C=SE/O=Example/CN=www.example.com"
    assert (made["ssl_cert"]["self_signed?"], made["ssl_cert"]["ca_signed?"]) == (True, False)
    assert await api.get(CERTS) == [made]
    assert await api.get(f"{CERTS}/{made['name']}") == await api.get(f"{CERTS}/{made['id']}") == made
    assert (await api.request("DELETE", f"{CERTS}/{made['name']}")).json == made
    assert await api.get(CERTS) == []
    assert [line.partition(made["name"])[0] for line in api.app_log.said] == ["Add SSL certificate ", "Remove SSL certificate "]


async def test_a_private_key_is_encrypted_and_comes_out_for_the_router_alone(api: Api) -> None:
    app = await api.create()
    answer = await api.request("POST", CERTS, pair(CERTIFICATE))
    secret = CERTIFICATE.key_pem.splitlines()[1]

    assert secret not in answer.text
    assert answer.headers["X-Heroku-Warning"].startswith("The certificate is stored.")
    assert secret not in (await api.request("GET", CERTS)).text
    kept = await api.store.database.read(lambda connection: connection.execute("SELECT * FROM sni_endpoints").fetchall())
    assert secret not in str([tuple(row) for row in kept])
    [endpoint] = await api.store.sni_endpoints.of(app)
    assert await api.store.sni_endpoints.private_key(endpoint) == CERTIFICATE.key_pem


async def test_one_that_a_trusted_authority_signed(api: Api) -> None:
    await api.create()
    root = issue(common_name="Root", ca=True)
    middle = issue(common_name="Middle", ca=True, by=root)
    leaf = issue("www.example.com", by=middle)
    api.roots.extend(ders(root))

    made = (await api.request("POST", CERTS, {"certificate_chain": chain(middle, leaf), "private_key": leaf.key_pem})).json

    assert (made["ssl_cert"]["ca_signed?"], made["ssl_cert"]["self_signed?"]) == (True, False)
    assert made["certificate_chain"] == chain(leaf, middle)


async def test_a_domain_is_bound_to_a_certificate_and_loses_it(api: Api) -> None:
    await api.create()
    first, second = await upload(api), await upload(api, issue("other.example.com"))
    shop = await add(api, "a.shop.example.com", first["name"])
    assert shop["sni_endpoint"] == {"id": first["id"], "name": first["name"]}
    assert (await api.get(f"{CERTS}/{first['name']}"))["domains"] == [shop["id"]]

    moved = await api.request("PATCH", f"{DOMAINS}/a.shop.example.com", {"sni_endpoint": second["id"]})

    assert moved.json["sni_endpoint"]["name"] == second["name"]
    assert moved.headers["X-Heroku-Warning"] == (
        f"The certificate {second['name']} is not for a.shop.example.com: browsers will refuse it."
    )
    back = await api.request("PATCH", f"{DOMAINS}/a.shop.example.com", {"sni_endpoint": first["name"]})
    assert "X-Heroku-Warning" not in back.headers
    await api.request("DELETE", f"{CERTS}/{first['name']}")
    assert (await api.get(f"{DOMAINS}/a.shop.example.com"))["sni_endpoint"] is None


async def test_a_certificate_of_another_app_is_not_found(api: Api) -> None:
    await api.create()
    await api.create("other")
    made = await upload(api)

    answer = await api.request("POST", "/apps/other/domains", {"hostname": "www.example.com", "sni_endpoint": made["id"]})

    assert (answer.status, answer.json["resource"]) == (404, "sni_endpoint")
    assert len(await api.get("/apps/other/domains")) == 1


async def test_an_update_keeps_name_and_domains_and_a_bad_one_changes_nothing(api: Api) -> None:
    await api.create()
    made = await upload(api)
    await add(api, "www.example.com", made["name"])
    before = await api.get(f"{CERTS}/{made['name']}")
    newer = issue("www.example.com")

    refused = await api.request("PATCH", f"{CERTS}/{made['name']}", {**pair(newer), "private_key": CERTIFICATE.key_pem})
    assert (refused.status, "does not belong" in refused.text) == (422, True)
    assert await api.get(f"{CERTS}/{made['name']}") == before
    changed = (await api.request("PATCH", f"{CERTS}/{made['name']}", pair(newer))).json

    assert (changed["id"], changed["name"], changed["domains"]) == (before["id"], before["name"], before["domains"])
    assert changed["certificate_chain"] == newer.pem
    assert changed["ssl_cert"]["id"] != before["ssl_cert"]["id"]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_automatic_certificates_are_refused_with_what_to_do(api: Api, method: str) -> None:
    await api.create()

    answer = await api.request(method, "/apps/blog/acm", {})

    assert (answer.status, answer.json["id"]) == (422, "invalid_params")
    assert "certs:add CRT KEY" in answer.json["message"]
    assert (await api.request("DELETE", "/apps/blog/acm")).json["acm"] is False


async def test_there_is_an_end_to_domains(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushd.store.domains.DOMAINS_PER_APP", 1)
    monkeypatch.setattr("pushd.store.sni_endpoints.CERTIFICATES_PER_APP", 1)
    await api.create()
    await add(api, "www.example.com")
    await upload(api)

    assert "can have 1 domains" in (await api.request("POST", DOMAINS, {"hostname": "a.example.com"})).text
    assert "can have 1 certificates" in (await api.request("POST", CERTS, pair(CERTIFICATE))).text
