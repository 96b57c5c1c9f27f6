from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.model.routing import Route, Table, Target, WebState, table_from_dict, table_to_dict

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
TARGETS = st.builds(Target, dyno_id=st.uuids().map(str), name=TEXT, port=st.integers(1, 65535))
ROUTES = st.builds(
    Route,
    app_id=st.uuids().map(str),
    app_name=TEXT,
    hosts=st.lists(TEXT, max_size=3).map(tuple),
    targets=st.lists(TARGETS, max_size=3).map(tuple),
    state=st.sampled_from(WebState),
    maintenance=st.booleans(),
    maintenance_page=TEXT,
    error_page=TEXT,
    first_byte_seconds=st.floats(0, 3600),
    requests_per_target=st.integers(1, 1000),
)
TABLES = st.builds(Table, number=st.integers(0), routes=st.lists(ROUTES, max_size=4).map(tuple), default_app_id=TEXT)


@given(TABLES)
def test_a_table_goes_through_json_and_comes_out_as_it_went_in(table: Table) -> None:
    assert table_from_dict(json.loads(json.dumps(table_to_dict(table)))) == table


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"number": 1},
        {"number": "x", "routes": [], "default_app_id": ""},
        {"number": 1, "routes": [{}], "default_app_id": ""},
        {"number": 1, "routes": 5, "default_app_id": ""},
    ],
)
def test_anything_else_is_refused(raw: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        table_from_dict(raw)


@pytest.mark.parametrize("change", [{"state": "dreaming"}, {"colour": "red"}, {"targets": [{"port": 1}]}, {"hosts": None}])
def test_a_route_that_we_do_not_understand_is_refused(change: dict[str, Any]) -> None:
    route = Route(app_id=str(UUID(int=1)), app_name="blog", hosts=("blog.localhost",))
    raw = json.loads(json.dumps(table_to_dict(Table(number=1, routes=(route,)))))
    assert table_from_dict(raw).routes == (route,)

    raw["routes"][0] |= change

    with pytest.raises((ValueError, KeyError, TypeError)):
        table_from_dict(raw)
