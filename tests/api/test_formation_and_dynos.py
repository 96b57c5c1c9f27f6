"""Scaling, restarting, stopping and running through the API."""

from __future__ import annotations

from typing import Any

import pytest

from pushd.model.dyno import DynoState
from tests.api.conftest import Api


async def test_the_formation_shows_each_process_type_and_that_there_is_a_release_phase(api: Api) -> None:
    await api.deployed("shop")

    rows = await api.get("/apps/shop/formation")

    assert [(row["type"], row["quantity"], row["command"]) for row in rows] == [
        ("release", 0, "flask db upgrade"), ("web", 1, "gunicorn hello:app"), ("worker", 0, "python worker.py"),
    ]  # fmt: skip
    assert await api.get("/apps/shop/formation/web") == rows[1] == await api.get(f"/apps/shop/formation/{rows[1]['id']}")


async def test_before_the_first_push_there_is_no_formation(api: Api) -> None:
    await api.create("blog")

    assert await api.get("/apps/blog/formation") == []


@pytest.mark.parametrize(("quantity", "result"), [("3", 3), (3, 3), ("+2", 3), ("-1", 0), ("0", 0)])
async def test_quantities_are_numbers_texts_or_steps(api: Api, quantity: Any, result: int) -> None:
    await api.deployed("shop")

    updates = {"updates": [{"type": "web", "quantity": quantity}, {"type": "worker", "quantity": "1", "size": "standard-1x"}]}
    answer = await api.request("PATCH", "/apps/shop/formation", updates)

    assert {row["type"]: row["quantity"] for row in answer.json} == {"web": result, "worker": 1}
    assert "Pushd-Change" in answer.headers


async def test_one_process_type_is_scaled_alone(api: Api) -> None:
    await api.deployed("shop")

    answer = await api.request("PATCH", "/apps/shop/formation/worker", {"quantity": 2})

    assert (answer.json["type"], answer.json["quantity"]) == ("worker", 2)


async def test_dynos_are_listed_and_found_by_name_and_id(api: Api) -> None:
    shop = await api.deployed("shop")
    api.deploys.start(shop.app, shop.release, "worker.1", "python worker.py", DynoState.COOLING)

    rows = await api.get("/apps/shop/dynos")

    assert [(row["name"], row["state"], row["release"]["version"]) for row in rows] == [
        ("web.1", "up", 2), ("worker.1", "crashed", 2),
    ]  # fmt: skip
    assert await api.get("/apps/shop/dynos/web.1") == rows[0] == await api.get(f"/apps/shop/dynos/{shop.dyno.id}")


@pytest.mark.parametrize(
    ("method", "path", "asked"),
    [
        ("DELETE", "/apps/shop/dynos", ("restart", None, None)),
        ("DELETE", "/apps/shop/dynos/web.1", ("restart", None, "web.1")),
        ("DELETE", "/apps/shop/formations/web", ("restart", "web", None)),
        ("POST", "/apps/shop/dynos/web.1/actions/stop", ("stop", None, "web.1")),
        ("POST", "/apps/shop/formations/web/actions/stop", ("stop", "web", None)),
    ],
)
async def test_restarts_and_stops_reach_what_they_name(api: Api, method: str, path: str, asked: tuple[object, ...]) -> None:
    await api.deployed("shop")

    answer = await api.request(method, path)

    assert (answer.status, answer.json) == (202, {})
    assert api.deploys.asked[-1] == asked
    assert ("Pushd-Change" in answer.headers) == (asked[0] == "restart")


async def test_a_detached_run_starts_with_its_environment(api: Api) -> None:
    await api.deployed("shop")

    body = {"command": "flask routes", "attach": False, "env": {"TERM": "xterm", "COLUMNS": 111}, "force_no_tty": None}
    answer = await api.request("POST", "/apps/shop/dynos", body)

    assert (answer.status, answer.json["name"], answer.json["attach_url"]) == (201, "run.1234", None)
    assert api.runs.asked[-1] == ("run", "flask routes", {"TERM": "xterm", "COLUMNS": "111"})
