"""Paging, decided without a server: no row is missed or repeated, whatever is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.api.ranges import Field, Range, parse_range, plan_page

FIELDS = {"version": Field[int](lambda row: row, int), "name": Field[int](lambda row: f"n{row:04}")}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, Range(field="version")),
        ("", Range(field="version")),
        ("version", Range(field="version")),
        ("version ..; max=15, order=desc", Range(field="version", limit=15, descending=True)),
        ("version ..; order=desc,max=1", Range(field="version", limit=1, descending=True)),
        ("name ..; max=1000;", Range(field="name", limit=1000)),
        ("version..", Range(field="version")),
        ("version 3..7", Range(field="version", first=3, last=7)),
        ("version ]3..7[; max=5", Range(field="version", first=3, last=7, first_exclusive=True, last_exclusive=True, limit=5)),
    ],
)  # fmt: skip
def test_each_form_that_clients_send_is_read(text: str | None, wanted: Range) -> None:
    assert parse_range(text, FIELDS) == wanted


def test_bounds_choose_rows() -> None:
    rows = range(1, 11)

    assert plan_page(rows, parse_range("version 3..5", FIELDS), FIELDS) == ([3, 4, 5], None)
    assert plan_page(rows, parse_range("version ]3..5[", FIELDS), FIELDS) == ([4], None)
    assert plan_page(rows, parse_range("version 5..3; order=desc", FIELDS), FIELDS) == ([5, 4, 3], None)
    assert plan_page(rows, parse_range("version ..; max=2,order=desc", FIELDS), FIELDS) == (
        [10, 9], "version ]9..; max=2,order=desc",
    )  # fmt: skip


@given(
    rows=st.sets(st.integers(0, 9999), max_size=60),
    field=st.sampled_from(["version", "name"]),
    limit=st.integers(1, 20),
    order=st.sampled_from(["asc", "desc"]),
)
def test_following_next_range_gives_each_row_once_and_in_order(rows: set[int], field: str, limit: int, order: str) -> None:
    seen: list[int] = []
    text: str | None = f"{field} ..; max={limit},order={order}"
    while text:
        page, text = plan_page(list(rows), parse_range(text, FIELDS), FIELDS)
        seen += page
        assert len(page) <= limit

    assert seen == sorted(rows, reverse=order == "desc")
