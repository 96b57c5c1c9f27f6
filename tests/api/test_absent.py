"""What is not offered says so, in one sentence and one that says what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pushd.api.absent import ABSENT, Absent
from pushd.api.routes import ROUTES
from tests.api.conftest import Api

shared_server = pytest.mark.asyncio(loop_scope="module")


def path_of(row: Absent) -> str:
    path = row.path.replace("{app}", "shop").replace("{rest:.+}", "x/y")
    return re.sub(r"\{\w+\}", "x", path)


def test_each_row_stands_once_and_none_is_served() -> None:
    rows = [(row.method, row.path) for row in ABSENT]

    assert len(rows) == len(set(rows))
    assert not set(rows) & {(route.method, route.path) for route in ROUTES}


def test_each_row_speaks_in_two_sentences() -> None:
    for row in ABSENT:
        assert row.message.endswith("."), row
        assert row.remedy.endswith((".", ")", "MAIN")), row
        assert "\n" not in row.message + row.remedy


@shared_server
@pytest.mark.parametrize("row", ABSENT, ids=lambda row: f"{row.method} {row.path}")
async def test_what_is_not_offered_says_so(shared: Api, row: Absent) -> None:
    method = "DELETE" if row.method == "*" else row.method
    answer = await shared.request(method, path_of(row))
    body: Any = answer.json

    assert (answer.status, body["id"]) == ((404, "not_found") if row.resource else (422, "invalid_params"))
    assert body["message"] == f"{row.message}\n{row.remedy}"
    assert body.get("resource", "") == row.resource
    assert (await shared.request(method, path_of(row), token="wrong")).status == 401


@shared_server
async def test_what_nobody_knows_is_not_found(shared: Api) -> None:
    answer = await shared.request("GET", "/nowhere")
    assert (answer.status, answer.json) == (
        404,
        {"id": "not_found", "message": "The requested API endpoint was not found."},
    )
