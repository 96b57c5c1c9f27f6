"""The splitter: however bytes come, the same messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.logplex.lines import chunks, pieces, text, whole_characters
from pushd.model.logline import LINE_LIMIT_BYTES

LIMIT = LINE_LIMIT_BYTES


def split(data: bytes) -> list[str]:
    return [message for message, _, _ in pieces(data)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"no end yet", []),
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\r\n\r\ntwo\n", ["one", "", "two"]),
        (b"a\rb\n", ["a\ufffdb"]),
        (b"\x00\x07\x1b[2J\n", ["\ufffd\ufffd\ufffd[2J"]),
        (b"\x1b[1;31mred\x1b[0m\ttab\n", ["\x1b[1;31mred\x1b[0m\ttab"]),
        (b"caf\xc3\xa9 \xff\xfe\n", ["café \ufffd\ufffd"]),
        ("\u009b2J\n".encode(), ["\ufffd2J"]),
        (b"x" * LIMIT + b"\n", ["x" * LIMIT]),
        (b"x" * LIMIT + b"\r\n", ["x" * LIMIT]),
        (b"x" * LIMIT + b"y\n", ["x" * LIMIT, "y"]),
        (b"x" * (2 * LIMIT) + b"\nz\n", ["x" * LIMIT, "x" * LIMIT, "z"]),
        (b"x" * (LIMIT - 1) + "é\n".encode(), ["x" * (LIMIT - 1), "é"]),
        (b"x" * (LIMIT - 3) + "\U0001f600!\n".encode(), ["x" * (LIMIT - 3), "\U0001f600!"]),
        (b"x" * (LIMIT + 1), []),
        (b"x" * (LIMIT + 2), ["x" * LIMIT]),
    ],
)
def test_bytes_become_messages(data: bytes, expected: list[str]) -> None:
    assert split(data) == expected


long_lines = st.builds(
    lambda size, tail: b"x" * size + tail,
    st.integers(LIMIT - 5, 2 * LIMIT + 5),
    st.sampled_from([b"", b"\r", "é€\U0001f600".encode()]),
)
lines = st.lists(st.one_of(st.binary(max_size=30), st.text(max_size=20).map(str.encode), long_lines), max_size=6)


@given(lines=lines, cuts=st.lists(st.integers(0, 70_000), max_size=8))
def test_any_chunking_gives_the_same_pieces(lines: list[bytes], cuts: list[int]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    whole = list(pieces(data))
    found, start = [], 0
    for end in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        for piece in pieces(data[start:end], start):
            found.append(piece)
            start = piece[1]
            assert piece[2] <= end
    assert found == whole
    assert start == len(data)


@given(lines=lines)
def test_no_message_is_too_long_or_broken(lines: list[bytes]) -> None:
    for message, _, _ in pieces(b"".join(line + b"\n" for line in lines)):
        assert "\n" not in message
        assert "\r" not in message
        assert len(message) <= LIMIT


@given(st.text(max_size=200), st.integers(4, 20))
def test_chunks_keep_characters_whole(message: str, limit: int) -> None:
    found = list(chunks(message.encode(), limit))
    assert b"".join(found).decode() == message
    assert all(len(each) <= limit and each.decode() is not None for each in found)


def test_text_that_is_harmless_stays() -> None:
    assert text("日本語 ok\t".encode()) == "日本語 ok\t"


@pytest.mark.parametrize("data", [b"", b"ab", "é".encode(), "a€".encode(), "\U0001f600".encode()])
def test_whole_characters_stay_whole(data: bytes) -> None:
    assert whole_characters(data) == len(data)


@pytest.mark.parametrize("character", ["é", "€", "\U0001f600"])
def test_the_beginning_of_a_character_is_cut(character: str) -> None:
    raw = character.encode()
    for size in range(1, len(raw)):
        assert whole_characters(b"ab" + raw[:size]) == 2


@given(st.binary(max_size=12))
def test_no_utf8_is_cut_by_a_character_at_most(data: bytes) -> None:
    assert 0 <= len(data) - whole_characters(data) < 4
