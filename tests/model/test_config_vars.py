from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.errors import InvalidParams
from pushd.model.config_vars import TOTAL_LIMIT_BYTES, changed
from pushd.model.secret import Environ

VARS = st.dictionaries(st.sampled_from("ABCDE"), st.text("xyz", max_size=3), max_size=5)
CHANGES = st.dictionaries(st.sampled_from("ABCDE"), st.one_of(st.none(), st.text("xyz", max_size=3)), max_size=5)
SECRET = "hunter2-and-more"


def test_a_value_sets_none_unsets_and_the_rest_stays() -> None:
    current = {"KEEP": "1", "GONE": "2", "NEW": "old"}

    result = changed(current, {"GONE": None, "NEW": "", "NEVER_THERE": None})

    assert dict(result) == {"KEEP": "1", "NEW": ""}
    assert current == {"KEEP": "1", "GONE": "2", "NEW": "old"}


@given(VARS, CHANGES)
def test_changes_done_twice_change_nothing_more(current: dict[str, str], changes: dict[str, str | None]) -> None:
    once = changed(current, changes)

    assert dict(changed(once, changes)) == dict(once)
    assert {name: once.get(name) for name in changes} == changes


@pytest.mark.parametrize("name", ["A", "a_B1", "_X", "PATH", "DATABASE_URL", "HEROKUISH"])
def test_good_names(name: str) -> None:
    assert changed({}, {name: "v"})[name] == "v"


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A.B", "A B", "A=B", "Ä", "A\n", "A\0", "__A", "HEROKU_APP_NAME"])
def test_bad_names_are_refused_and_the_value_is_not_shown(name: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        changed({}, {name: SECRET})

    assert caught.value.remedy
    assert SECRET not in caught.value.text


@pytest.mark.parametrize("value", [f"{SECRET}\0", f"{SECRET}\ud800"])
def test_values_that_no_process_can_hold_are_refused_and_not_shown(value: str) -> None:
    with pytest.raises(InvalidParams, match="value of KEY") as caught:
        changed({}, {"KEY": value})

    assert SECRET not in caught.value.text


def test_a_bad_name_can_be_unset() -> None:
    assert dict(changed({"A": "1"}, {"HEROKU_X": None, "not a name": None})) == {"A": "1"}


def test_all_together_may_be_as_large_as_the_limit_in_bytes() -> None:
    room = TOTAL_LIMIT_BYTES - len("KEY")
    assert changed({}, {"KEY": "é" * (room // 2)})

    with pytest.raises(InvalidParams, match=f"more than the {TOTAL_LIMIT_BYTES} allowed"):
        changed({"A": "1"}, {"KEY": "x" * room})


def test_an_environ_prints_its_names_and_never_its_values() -> None:
    environ = Environ({"PASSWORD": SECRET}) | {"B": SECRET}

    for shown in (repr(environ), str(environ), f"{environ}", repr([environ]), repr({"config": environ})):
        assert SECRET not in shown
        assert "B PASSWORD" in shown


def test_an_environ_is_a_value() -> None:
    values = {"A": "1"}
    environ = Environ(values)
    values["A"] = "2"

    assert environ == {"A": "1"} == Environ({"A": "1"})
    assert hash(environ) == hash(Environ({"A": "1"}))
    assert environ | {"A": "3"} == {"A": "3"}
    assert environ == {"A": "1"}
