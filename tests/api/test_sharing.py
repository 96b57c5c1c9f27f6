"""Collaborators, SSH keys and log drains over the API."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.api.conftest import Api
from tests.pki import ssh_public_key

ACCESS, DRAINS, KEYS = "/apps/blog/collaborators", "/apps/blog/log-drains", "/account/keys"
SECRET_URL = "https://ada:p%40ss@logs.example.com:8443/in/t0ken?a=b%20c&d"


async def share(api: Api, email: str) -> tuple[Any, str]:
    """Make somebody a collaborator; gives what the API answered and a token of theirs."""
    answer = await api.request("POST", ACCESS, {"user": email})
    assert answer.status == 201, answer.text
    user = await api.store.users.maybe_by_email(email)
    assert user
    return answer.json, (await api.store.users.create_authorization(user, "theirs"))[1]


async def test_an_app_is_shared_and_taken_back(api: Api) -> None:
    await api.create()

    made, token = await share(api, "ada@example.com")

    assert (made["role"], made["user"]["email"], made["app"]["name"]) == ("collaborator", "ada@example.com", "blog")
    assert "permissions" not in made
    assert [(row["user"]["email"], row["role"]) for row in await api.get(ACCESS)] == [
        ("ada@example.com", "collaborator"),
        ("admin@localhost", "owner"),
    ]
    for which in (made["id"], made["user"]["id"], "ADA@example.com"):
        assert await api.get(f"{ACCESS}/{which}") == made
    assert [app["name"] for app in await api.get("/users/~/apps", token=token)] == ["blog"]
    assert (await api.get("/users/~/apps", token=token))[0]["owner"]["email"] == "admin@localhost"
    assert (await api.request("DELETE", f"{ACCESS}/ada@example.com")).json == made
    assert await api.get("/apps", token=token) == []
    assert (await api.request("GET", "/apps/blog", token=token)).status == 404
    assert api.app_log.said == [
        "Add ada@example.com as a collaborator by user admin@localhost",
        "Remove ada@example.com as a collaborator by user admin@localhost",
    ]


async def test_a_collaborator_works_on_the_app(api: Api) -> None:
    await api.deployed()
    _, token = await share(api, "ada@example.com")

    for method, path, body in (
        ("PATCH", "/apps/blog/config-vars", {"A": "b"}),
        ("PATCH", "/apps/blog/formation", {"updates": [{"type": "web", "quantity": 2}]}),
        ("PATCH", "/apps/blog", {"maintenance": True}),
        ("POST", "/apps/blog/domains", {"hostname": "www.example.com", "sni_endpoint": None}),
        ("POST", DRAINS, {"url": SECRET_URL}),
        ("POST", "/apps/blog/log-sessions", {}),
        ("POST", "/apps/blog/dynos", {"command": "ls"}),
        ("DELETE", "/apps/blog/dynos", None),
    ):
        assert (await api.request(method, path, body, token=token)).status < 300, path
    for method, path, body in (
        ("PATCH", "/apps/blog", {"name": "mine"}),
        ("DELETE", "/apps/blog", None),
        ("POST", ACCESS, {"user": "eve@example.com"}),
        ("DELETE", f"{ACCESS}/admin@localhost", None),
    ):
        answer = await api.request(method, path, body, token=token)
        assert (answer.status, answer.json["id"]) == (403, "forbidden"), path
    assert (await api.get("/apps/blog"))["name"] == "blog"


async def test_everybody_may_leave_but_the_owner(api: Api) -> None:
    await api.create()
    _, token = await share(api, "ada@example.com")

    assert (await api.request("DELETE", f"{ACCESS}/ada@example.com", token=token)).status == 200
    answer = await api.request("DELETE", f"{ACCESS}/admin@localhost")
    assert (answer.status, "an owner cannot be removed" in answer.text) == (422, True)
    assert [row["role"] for row in await api.get(ACCESS)] == ["owner"]


async def test_one_user_is_one_collaborator(api: Api) -> None:
    await api.create()
    made, _ = await share(api, "ada@example.com")

    again = await api.request("POST", ACCESS, {"user": "Ada@Example.com"})
    assert (again.status, again.json["message"].splitlines()[0]) == (422, "User is already a collaborator on app.")
    await api.create("other")
    other = await api.request("POST", "/apps/other/collaborators", {"user": made["user"]["id"], "silent": True})
    assert other.json["user"] == made["user"]


async def test_keys_are_added_shown_and_removed(api: Api) -> None:
    public_key = ssh_public_key(ed25519.Ed25519PrivateKey.generate())

    answer = await api.request("POST", KEYS, {"public_key": f"{public_key} ada@laptop\n"})

    made = answer.json
    assert (answer.status, made["public_key"]) == (201, f"{public_key} ada@laptop")
    assert (made["comment"], made["email"]) == ("ada@laptop", "admin@localhost")
    assert "X-Heroku-Warning" not in answer.headers
    assert await api.get(KEYS) == [made]
    assert await api.get(f"{KEYS}/{made['id']}") == await api.get(f"{KEYS}/{made['fingerprint']}") == made
    assert (await api.request("DELETE", f"{KEYS}/{made['id']}")).json == made
    assert await api.get(KEYS) == []


async def test_a_key_has_one_owner(api: Api) -> None:
    public_key = ssh_public_key(ed25519.Ed25519PrivateKey.generate())
    await api.create()
    _, token = await share(api, "ada@example.com")
    made = (await api.request("POST", KEYS, {"public_key": public_key})).json

    again = await api.request("POST", KEYS, {"public_key": f"{public_key} another comment"}, token=token)

    assert (again.status, again.json["message"].splitlines()[0]) == (
        422,
        "Fingerprint already exists. Please use a different SSH key.",
    )
    assert await api.get(KEYS, token=token) == []
    assert (await api.request("DELETE", f"{KEYS}/{made['id']}", token=token)).status == 404


async def test_a_drain_is_added_and_found_by_url_token_or_id(api: Api) -> None:
    await api.create()

    answer = await api.request("POST", DRAINS, {"url": SECRET_URL})

    made = answer.json
    assert (answer.status, made["url"], made["addon"], made["token"][:2]) == (201, SECRET_URL, None, "d.")
    assert "does not deliver" in answer.headers["X-Heroku-Warning"]
    for which in (SECRET_URL, made["token"], made["id"]):
        assert await api.get(f"{DRAINS}/{quote(which, safe='')}") == made
    assert (await api.request("DELETE", f"{DRAINS}/{quote(SECRET_URL, safe='')}")).json == made
    assert await api.get(DRAINS) == []


async def test_the_url_of_a_drain_is_kept_out_of_the_log_and_off_the_disk(api: Api) -> None:
    await api.create()
    made = (await api.request("POST", DRAINS, {"url": SECRET_URL})).json
    refused = await api.request("POST", DRAINS, {"url": SECRET_URL})

    assert api.app_log.said == [f"Add drain {made['token']} to https://logs.example.com:8443 by user admin@localhost"]
    assert (refused.status, refused.json["message"].splitlines()[0]) == (422, "Url has already been taken")
    assert "t0ken" not in refused.text
    kept = await api.store.database.read(lambda connection: connection.execute("SELECT * FROM drains").fetchall())
    assert "t0ken" not in str([tuple(row) for row in kept])


async def test_no_answer_shows_the_url_of_a_drain_to_who_may_not_read_it(api: Api) -> None:
    await api.create("blog")
    asked = await api.request("POST", "/oauth/authorizations", {"scope": ["write"]})
    token = asked.json["access_token"]["token"]
    made = await api.request("POST", DRAINS, {"url": "https://logs.example.com/in?key=s3cret"}, token=token)
    assert made.json["url"] == "https://logs.example.com/in?key=s3cret"  # they have just said it
    removed = await api.request("DELETE", f"{DRAINS}/{made.json['id']}", token=token)

    assert (removed.status, removed.json["url"]) == (200, "https://logs.example.com")


async def test_an_app_has_at_most_five_drains(api: Api) -> None:
    await api.create()
    for number in range(5):
        assert (await api.request("POST", DRAINS, {"url": f"syslog://logs{number}.example.com:514"})).status == 201

    answer = await api.request("POST", DRAINS, {"url": "syslog://one.more:514"})

    assert (answer.status, "only add 5 drains" in answer.text) == (422, True)
    assert len(await api.get(DRAINS)) == 5


@pytest.mark.parametrize("path", [DRAINS, "/apps/blog/domains", ACCESS, "/apps/blog/sni-endpoints"])
async def test_a_strangers_app_is_not_there(api: Api, path: str) -> None:
    await api.create()
    await api.create("theirs")
    answer = await api.request("POST", "/apps/theirs/collaborators", {"user": "eve@example.com"})
    user = await api.store.users.maybe_by_id(answer.json["user"]["id"])
    assert user
    _, token = await api.store.users.create_authorization(user, "theirs")

    assert (await api.request("GET", path, token=token)).status == 404
