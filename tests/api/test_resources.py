"""Dyno sizes, and what dynos and builds may take."""

from __future__ import annotations

import pytest

from pushd.model.resources import DYNO_SIZES
from tests.api.conftest import Api


async def test_sizes_are_listed_and_shown_by_name_and_id(api: Api) -> None:
    await api.deployed("shop")
    rows = await api.get("/dyno-sizes")

    assert [row["name"] for row in rows] == sorted(size.name for size in DYNO_SIZES)
    assert await api.get("/apps/shop/available-dyno-sizes") == rows
    small = next(row for row in rows if row["name"] == "Standard-1X")
    assert (small["memory"], small["cost"], small["dedicated"]) == (0.5, None, False)
    assert await api.get("/dyno-sizes/standard-1x") == small == await api.get(f"/dyno-sizes/{small['id']}")
    assert (await api.request("GET", "/dyno-sizes/huge")).status == 404


async def test_a_size_is_set_with_or_without_a_quantity(api: Api) -> None:
    await api.deployed("shop")

    updates = {"updates": [{"type": "web", "size": "standard-2x"}, {"type": "worker", "quantity": "2", "size": "Basic"}]}
    answer = await api.request("PATCH", "/apps/shop/formation", updates)

    assert {row["type"]: (row["quantity"], row["size"]) for row in answer.json} == {
        "web": (1, "Standard-2X"), "worker": (2, "Basic"),
    }  # fmt: skip
    assert "Pushd-Change" in answer.headers
    row = await api.request("PATCH", "/apps/shop/formation/web", {"dyno_size": {"name": "eco"}})
    assert (row.json["size"], row.json["dyno_size"]["name"]) == ("Eco", "Eco")
    assert (await api.request("PATCH", "/apps/shop/formation/web", {"size": "huge"})).status == 422
    assert (await api.get("/apps/shop/formation/web"))["size"] == "Eco"


async def test_rows_for_each_type_one_off_dynos_and_builds(api: Api) -> None:
    await api.create("blog")
    assert [row["type"] for row in await api.get("/-/apps/blog/resources")] == ["run", "build"]
    await api.deployed("shop")

    rows = await api.get("/-/apps/shop/resources")

    assert [row["type"] for row in rows] == ["web", "worker", "release", "run", "build"]
    assert rows[0] == {"type": "web", "size": "Standard-1X", "memory_mb": 512, "cpu": None, "processes": 4096,
                       "open_files": 65536, "time_seconds": None, "slug_mb": None, "set": []}  # fmt: skip
    assert rows[-1] == {"type": "build", "size": None, "memory_mb": 4096, "cpu": None, "processes": 2048, "open_files": 65536,
                        "time_seconds": None, "slug_mb": 1024, "set": []}  # fmt: skip


async def test_figures_are_set_and_unset_and_dynos_follow(api: Api) -> None:
    await api.deployed("shop")

    answer = await api.request("PATCH", "/-/apps/shop/resources/web", {"memory": "1G", "cpu": "0.5"})
    assert (answer.json[0]["memory_mb"], answer.json[0]["cpu"], answer.json[0]["set"]) == (1024, 0.5, ["cpu", "memory"])
    assert "Pushd-Change" in answer.headers
    again = await api.request("PATCH", "/-/apps/shop/resources/web", {"memory": "1024"})
    assert "Pushd-Change" not in again.headers  # as much as before
    of_builds = await api.request("PATCH", "/-/apps/shop/resources/build", {"time": "15m"})
    assert of_builds.json[-1]["time_seconds"] == 900
    assert "Pushd-Change" not in of_builds.headers
    unset = await api.request("PATCH", "/-/apps/shop/resources/web", {"memory": None})
    assert unset.json[0]["set"] == ["cpu"]

    trail = await api.get("/-/apps/shop/audit")
    assert trail[0]["details"]["memory"] == {"before": "1024", "after": None}


async def test_a_size_takes_the_memory_that_was_set_with_it(api: Api) -> None:
    await api.deployed("shop")
    await api.request("PATCH", "/-/apps/shop/resources/web", {"memory": "300M", "cpu": "2"})

    await api.request("PATCH", "/apps/shop/formation/web", {"size": "standard-2x"})

    web = (await api.get("/-/apps/shop/resources"))[0]
    assert (web["memory_mb"], web["set"]) == (1024, ["cpu"])


@pytest.mark.parametrize(
    ("type", "body", "status"),
    [
        ("web", {"memory": "much"}, 422),
        ("web", {"memory": 512}, 422),
        ("web", {"disk": "1G"}, 404),
        ("web", {"time": "15m"}, 404),
        ("web", {"cpu": "1", "processes": "1"}, 422),
        ("web", [], 400),
    ],
)
async def test_what_does_not_fit_changes_nothing(api: Api, type: str, body: object, status: int) -> None:
    await api.deployed("shop")
    before = await api.get("/-/apps/shop/resources")

    assert (await api.request("PATCH", f"/-/apps/shop/resources/{type}", body)).status == status

    assert await api.get("/-/apps/shop/resources") == before
