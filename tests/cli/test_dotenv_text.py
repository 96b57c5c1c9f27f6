"""Config vars as text: the round trip, and what people write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.cli.dotenv_text import BadLine, dump, parse

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
VALUES = st.text(CHARACTERS | st.sampled_from("'\"\\\n\r\t #=$`"), max_size=20)


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_every_value_survives_the_round_trip(values: dict[str, str]) -> None:
    assert parse(dump(values)) == values


@given(st.dictionaries(NAMES, VALUES, max_size=3))
def test_it_survives_an_editor_that_ends_lines_its_own_way(values: dict[str, str]) -> None:
    assert parse(dump(values).rstrip("\n")) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("\n  \n# comment\n", {}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("  export A = 1  \n", {"A": "1"}),
        ("A=\n", {"A": ""}),
        ("A=''\n", {"A": ""}),
        ("A=b=c\n", {"A": "b=c"}),
        ("A=pass#word # not a comment\n", {"A": "pass#word # not a comment"}),
        ("A='two\nlines'  # a comment\nB=1", {"A": "two\nlines", "B": "1"}),
        ('A="tab\\t quote\\" back\\\\ $x \\$y \\q"\n', {"A": 'tab\t quote" back\\ $x $y \\q'}),
        ("A='no \\n escape'\n", {"A": "no \\n escape"}),
    ],
)
def test_what_people_write(text: str, values: dict[str, str]) -> None:
    assert parse(text) == values


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("A=1\nnonsense\n", 2, "KEY=value"),
        ("1A=x\n", 1, "KEY=value"),
        ("A=1\nB=2\nA=3\n", 3, "twice"),
        ("A='1\n2\n", 1, "quote does not end"),
        ("\nA='1' 2\n", 2, "behind its quote"),
        ('A="1\\"\n', 1, "quote does not end"),
    ],
)
def test_mistakes_are_named_by_line(text: str, line: int, why: str) -> None:
    with pytest.raises(BadLine) as caught:
        parse(text)
    assert caught.value.message.startswith(f"Line {line}: ")
    assert why in caught.value.message
    assert caught.value.remedy
