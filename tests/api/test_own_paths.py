"""What lives under /-/, and what stands in every answer."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from pushd.layout import Layout
from pushd.model.change import ChangeState
from tests.api.conftest import TOKEN, Api


async def test_health_needs_no_token(api: Api) -> None:
    answer = await api.request("GET", "/-/health", token=None)

    assert (answer.status, answer.json["status"], answer.json["version"]) == (200, "ok", "0.1.0")
    assert (answer.json["ssh"], answer.json["ssh_host_key"]) == (None, None)


async def test_each_answer_has_its_own_id(api: Api) -> None:
    ids = [
        (await api.request("GET", path, token=token, headers={"Request-Id": "theirs"})).headers["Request-Id"]
        for path, token in (("/account", TOKEN), ("/account", None), ("/nothing", TOKEN), ("/crash", TOKEN))
    ]

    assert len({UUID(each) for each in ids}) == 4


@pytest.mark.parametrize("variant", ["", ".sdk", ".run-inside", ".dogwood"])
async def test_every_variant_of_the_api_version_is_served_alike(api: Api, variant: str) -> None:
    headers = {"Accept": f"application/vnd.heroku+json; version=3{variant}"}
    answer = await api.request("GET", "/account", headers=headers)

    assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (200, "application/json")
    assert answer.headers["RateLimit-Remaining"].isdigit()


async def test_a_long_header_as_the_cli_sends_it_is_read(api: Api) -> None:
    assert (await api.request("GET", "/account", headers={"request-id": ",".join(["0" * 36] * 200)})).status == 200


async def test_a_change_is_answered_when_it_is_settled(api: Api) -> None:
    shop = await api.deployed("shop")
    change = (await api.request("DELETE", "/apps/shop/dynos")).headers["Pushd-Change"]
    asking = asyncio.ensure_future(api.get(f"/-/changes/{change}?wait=500"))
    await api.deploys.waits.wait()
    assert api.deploys.asked[-1] == ("wait", 50.0)  # the wait is capped
    assert not asking.done()

    await api.store.changes.settle(UUID(change), ChangeState.FAILED, "web.1 did not come up", shop.release.number)
    api.deploys.settled.set()

    assert await asking == {"id": change, "state": "failed", "release": 2, "reason": "web.1 did not come up"}


async def test_a_wait_ends_when_the_server_stops(api: Api) -> None:
    await api.deployed("shop")
    change = (await api.request("DELETE", "/apps/shop/dynos")).headers["Pushd-Change"]
    asking = asyncio.ensure_future(api.request("GET", f"/-/changes/{change}?wait=50"))
    await api.deploys.waits.wait()

    await api.server.stop()

    assert (await asking).status == 503


async def test_settings_are_set_and_go_back_to_their_default(api: Api) -> None:
    await api.create("blog")

    async def value(name: str) -> str:
        rows = (await api.get("/-/apps/blog/settings"))["settings"]
        return next(str(row["value"]) for row in rows if row["name"] == name)

    await api.request("PATCH", "/-/apps/blog/settings", {"probe-path": "/up", "deploy-branch": "live"})
    assert (await value("probe-path"), await value("deploy-branch")) == ("/up", "live")
    await api.request("PATCH", "/-/apps/blog/settings", {"probe-path": None})
    assert (await value("probe-path"), await value("deploy-branch")) == ("/", "live")


async def test_what_keeps_an_app_apart_is_told(api: Api) -> None:
    await api.deployed("shop")
    assert await api.get("/-/apps/shop/protections") == [
        {"name": "sandbox", "on": True, "why": "by bubblewrap"},
        {"name": "own user", "on": False, "why": "we are not root"},
    ]


async def test_the_disk_is_told_by_app(api: Api) -> None:
    shop = await api.deployed("shop")
    layout = Layout(api.tls.parent)
    layout.slug(shop.slug.checksum).mkdir()
    places = {
        "repository": layout.repository(shop.app.id) / "objects",
        "slugs": layout.slug(shop.slug.checksum),
        "environments": layout.environment(shop.app.id, "name"),
        "caches": layout.environments(shop.app.id) / ".cache",
        "outputs": layout.outputs(shop.app.id) / "builds",
        "logs": layout.logs(shop.app.id),
        "storage": layout.storage(shop.app.id),
    }
    for number, folder in enumerate(places.values(), 1):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "file").write_bytes(b"x" * number * 100_000)
    (places["caches"] / "shared").hardlink_to(places["environments"] / "file")

    one = await api.get("/-/apps/shop/disk")
    found = await api.get("/-/disk")

    assert one["app"] == {"id": str(shop.app.id), "name": "shop"}
    for number, kind in enumerate(places, 1):
        assert number * 100_000 <= one[kind] < number * 100_000 + 50_000
    assert one["total"] == sum(one[kind] for kind in places)
    assert found["apps"] == [one]
    assert found["total"] >= one["total"] + found["store"]
    assert 0 < found["free"] <= found["size"]


async def test_metrics_count_what_runs(api: Api) -> None:
    await api.deployed("shop")

    text = (await api.request("GET", "/-/metrics")).text

    assert "pushd_apps 1\n" in text
    assert 'pushd_dynos{state="up"} 1\n' in text


async def test_the_debug_page_names_what_the_daemon_does(api: Api) -> None:
    await api.deployed("shop")

    page = await api.get("/-/debug")

    assert page["apps"] == {"shop": {"web.1": "up"}}
    assert any("renew the certificate" in name for name in page["tasks"])
