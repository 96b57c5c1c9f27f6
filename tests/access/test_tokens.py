"""The token of an Authorization header, whoever asks."""

from __future__ import annotations

import base64

import pytest

from pushd.access.tokens import maybe_name, maybe_token


def basic(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer t", "t"), ("bearer   t ", "t"), (basic(":t"), "t"), (basic("any:t"), "t"), (basic("me:a:b"), "a:b"),
        (None, None), ("", None), ("Bearer", None), ("Bearer ", None), ("t", None), ("Digest t", None),
        (basic("no colon"), None), (basic("me:"), None), (basic(b"\xff:\xff"), None), ("Basic ?", None), ("Basic", None),
    ],
)  # fmt: skip
def test_the_token_of_a_header(header: str | None, token: str | None) -> None:
    assert maybe_token(header) == token


@pytest.mark.parametrize(
    ("header", "name"), [(basic("me@example.com:t"), "me@example.com"), (basic(":t"), None), ("Bearer t", None), (None, None)]
)
def test_the_name_of_a_header(header: str | None, name: str | None) -> None:
    assert maybe_name(header) == name
