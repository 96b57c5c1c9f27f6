"""Config vars, releases, slugs and builds through the API."""

from __future__ import annotations

import pytest

from pushd.model.release import ReleaseEvent
from tests.api.conftest import Api


async def test_config_vars_are_set_unset_and_kept_in_a_release(api: Api) -> None:
    await api.create("blog")

    await api.request("PATCH", "/apps/blog/config-vars", {"KEY": "val", "EMPTY": "", "GONE": "x"})
    answer = await api.request("PATCH", "/apps/blog/config-vars", {"GONE": None, "UNKNOWN": None, "KEY": "ü\n\"'"})

    assert answer.status == 200
    assert answer.json == {"KEY": "ü\n\"'", "EMPTY": ""} == await api.get("/apps/blog/config-vars")
    [newest] = await api.get("/apps/blog/releases", headers={"Range": "version ..; order=desc,max=1"})
    assert newest["version"] == 3
    assert await api.get("/apps/blog/releases/v2/config-vars") == {"KEY": "val", "EMPTY": "", "GONE": "x"}


async def test_a_change_that_dynos_follow_is_named_in_a_header(api: Api) -> None:
    await api.create("blog")
    bare = await api.request("PATCH", "/apps/blog/config-vars", {"KEY": "val"})
    await api.deployed("shop")
    followed = await api.request("PATCH", "/apps/shop/config-vars", {"KEY": "val"})

    assert "Pushd-Change" not in bare.headers  # nothing to boot
    change = await api.get(f"/-/changes/{followed.headers['Pushd-Change']}")
    assert (change["state"], change["release"]) == ("pending", 3)


async def test_exactly_one_release_is_current(api: Api) -> None:
    shop = await api.deployed("shop")
    await api.request("PATCH", "/apps/shop/config-vars", {"KEY": "val"})

    rows = await api.get("/apps/shop/releases")

    assert [(row["version"], row["current"], row["status"]) for row in rows] == [
        (1, False, "succeeded"), (2, True, "succeeded"), (3, False, "pending"),
    ]  # fmt: skip
    assert [row["eligible_for_rollback"] for row in rows] == [False, True, False]
    assert rows[0]["slug"] is None
    assert rows[1]["slug"] == {"id": str(shop.slug.id)}


@pytest.mark.parametrize("form", ["2", "v2", "id"])
async def test_a_release_is_found_by_number_name_or_id(api: Api, form: str) -> None:
    shop = await api.deployed("shop")

    found = await api.get(f"/apps/shop/releases/{shop.release.id if form == 'id' else form}")

    assert (found["version"], found["user"]["email"]) == (2, "admin@localhost")


@pytest.mark.parametrize("form", [2, "2", "v2", "id"])
async def test_a_rollback_is_a_new_release(api: Api, form: str | int) -> None:
    shop = await api.deployed("shop")
    await api.request("PATCH", "/apps/shop/config-vars", {"KEY": "val"})

    wanted = str(shop.release.id) if form == "id" else form
    answer = await api.request("POST", "/apps/shop/releases", {"release": wanted})

    assert (answer.status, answer.json["version"], answer.json["description"]) == (201, 4, "Rollback to v2")
    assert "Pushd-Change" in answer.headers
    assert api.deploys.asked[-1] == ("rollback", 2)
    assert await api.get("/apps/shop/releases/4/config-vars") == {}


async def test_a_slug_is_released_again(api: Api) -> None:
    shop = await api.deployed("shop")

    body = {"slug": str(shop.slug.id), "description": "Retry of v2: Deploy 1a2b3c4d"}
    answer = await api.request("POST", "/apps/shop/releases", body)

    assert (answer.status, answer.json["description"]) == (201, "Retry of v2: Deploy 1a2b3c4d")


async def test_a_failed_release_says_so(api: Api) -> None:
    shop = await api.deployed("shop")
    await api.request("PATCH", "/apps/shop/config-vars", {"KEY": "val"})
    await api.store.releases.move(await api.store.releases.latest(shop.app), ReleaseEvent.DID_NOT_COME_UP)

    row = await api.get("/apps/shop/releases/3")

    assert (row["status"], row["current"], row["eligible_for_rollback"]) == ("failed", False, False)


async def test_a_slug_tells_what_it_was_made_of(api: Api) -> None:
    shop = await api.deployed("shop")

    slug = await api.get(f"/apps/shop/slugs/{shop.slug.id}")

    assert (slug["commit"], slug["checksum"]) == (shop.slug.commit, f"SHA256:{shop.slug.checksum}")
    assert slug["process_types"]["web"] == "gunicorn hello:app"


async def test_builds_are_listed_with_their_end(api: Api) -> None:
    shop = await api.deployed("shop")

    [build] = await api.get("/apps/shop/builds")

    alone = await api.get(f"/apps/shop/builds/{shop.build.id}")
    assert alone.pop("output_stream_url").startswith(f"http://{api.address}/streams/builds/")
    assert build.pop("output_stream_url").startswith(
        f"http://{api.address}/streams/builds/"
    )  # each has a last second of its own
    assert build == alone
    assert (build["status"], build["release"], build["slug"]) == (
        "succeeded", {"id": str(shop.release.id)}, {"id": str(shop.slug.id)},
    )  # fmt: skip
    assert build["source_blob"]["version"] == shop.slug.commit
    assert build["user"] == {"id": str(api.operator.id), "email": "admin@localhost"}


async def test_releases_come_in_pages(api: Api) -> None:
    await api.create("blog")
    for number in range(9):
        await api.request("PATCH", "/apps/blog/config-vars", {"N": str(number)})

    seen: list[int] = []
    wanted: str | None = "version ..; max=4, order=desc"
    while wanted:
        answer = await api.request("GET", "/apps/blog/releases", headers={"Range": wanted})
        seen += [row["version"] for row in answer.json]
        wanted = answer.headers.get("Next-Range")
        assert answer.status == (206 if wanted else 200)

    assert seen == list(range(10, 0, -1))
