from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.errors import InvalidParams
from pushd.model.app import invent_app_name, parse_app_name

PUBLISHED = re.compile(r"^[a-z][a-z0-9-]{1,28}[a-z0-9]$")  # `app.name` in the published schema


@pytest.mark.parametrize("name", ["abc", "my-app-2", "a--b", "x" * 30])
def test_good_names_come_back_as_given(name: str) -> None:
    assert parse_app_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "x" * 31,
        "1ab",
        "-ab",
        "ab-",
        "Abc",
        "a_b",
        "a.b",
        "a b",
        "abc\n",
        "é" * 5,
        "abc\0",
        "../etc",
        "a/b",
        "xn--ü",
        "١٢٣",
    ],
)
def test_bad_names_are_refused_with_the_rule(name: str) -> None:
    with pytest.raises(InvalidParams, match="must start with a letter") as caught:
        parse_app_name(name)
    assert caught.value.remedy


def test_a_long_bad_name_is_not_repeated_whole() -> None:
    with pytest.raises(InvalidParams) as caught:
        parse_app_name("X" * 10_000)
    assert len(caught.value.message) < 300


@given(st.one_of(st.text(max_size=40), st.from_regex(PUBLISHED)))
def test_the_rule_is_the_published_one(name: str) -> None:
    good = PUBLISHED.fullmatch(name) is not None
    try:
        assert (parse_app_name(name) == name) is good
    except InvalidParams:
        assert not good


@given(st.integers())
def test_invented_names_are_good_names(seed: int) -> None:
    name = invent_app_name(random.Random(seed))

    assert parse_app_name(name) == name
