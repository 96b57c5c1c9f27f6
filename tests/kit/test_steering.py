"""What may reach a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.kit.steering import Calmed, text_without_steering, without_steering


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\tand späße 🎉\r\n", "plain\tand späße 🎉\r\n"),
        ("\x1b[31mred\x1b[0m \x1b[1;38:5:2mgreen", "\x1b[31mred\x1b[0m \x1b[1;38:5:2mgreen"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]52;c;c3RvbGVu\x1b\\after", "after"),  # would put it onto the clipboard
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b[2J\x1b[1;1Hup", "up"),
        ("\x1bPq#0\x1b\\after", "after"),
        ("\x1bcafter\x1b(0", "after"),
        ("\x1b[6nasks", "asks"),
        ("bell\x07, back\b, null\0, delete\x7f", "bell, back, null, delete"),
        ("\x9b2Jone\u009b31m", "2Jone31m"),
        ("cut short \x1b[3", "cut short "),
        ("\x1b]0;never ends\nnext line", "\nnext line"),
    ],
)
def test_what_steers_is_gone(text: str, shown: str) -> None:
    assert text_without_steering(text) == shown


@given(st.binary())
def test_nothing_but_colours_is_left(data: bytes) -> None:
    left = without_steering(data)
    assert without_steering(left) == left
    for piece in left.split(b"\x1b")[1:]:
        assert piece.startswith(b"[")
        assert b"m" in piece


def test_in_pieces_what_steers_is_gone_and_colours_stay_wherever_it_is_cut() -> None:
    whole = b"a \x1b[31mred\x1b[0m \xc2\x9b2J \x1b]0;title\x07 \xc3\xa9 z"
    for cut in range(len(whole)):
        written: list[bytes] = []
        calmed = Calmed(written.append)
        calmed.write(whole[:cut])
        calmed.write(whole[cut:])
        left = b"".join(written)
        assert without_steering(left) == left
        assert left.startswith(b"a \x1b[31mred\x1b[0m 2J ")
        assert left.endswith(" é z".encode())
