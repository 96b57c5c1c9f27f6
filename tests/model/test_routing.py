from __future__ import annotations

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.model.routing import Route, Table, Target, WebState, table_from_json, table_to_json

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
def test_a_table_comes_out_of_json_as_it_went_in(table: Table) -> None:
    text = table_to_json(table)

    assert table_from_json(text) == table == table_from_json(text.encode())
    assert "\n" not in text


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "[1]", '{"number": 1}', '{"number": "x", "routes": [], "default_app_id": ""}',
     '{"number": 1, "routes": [{}], "default_app_id": ""}', '{"number": 1, "routes": 5, "default_app_id": ""}'],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        table_from_json(text)


def test_a_state_or_field_that_we_do_not_know_is_refused() -> None:
    route = Route(app_id=str(UUID(int=1)), app_name="blog", hosts=("blog.localhost",))
    raw = json.loads(table_to_json(Table(number=1, routes=(route,))))

    for change in ({"state": "dreaming"}, {"colour": "red"}):
        raw["routes"][0] |= change
        with pytest.raises((ValueError, TypeError)):
            table_from_json(json.dumps(raw))
