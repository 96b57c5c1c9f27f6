"""What a password may be, how it is kept, and who waits for whom."""

from __future__ import annotations

import pytest

from pushd.access import passwords
from pushd.access.passwords import LONGEST, SHORTEST, Passwords, parse_password
from pushd.errors import InvalidParams


async def test_a_password_is_kept_as_a_slow_hash_with_a_salt_of_its_own() -> None:
    made = Passwords()
    one, other = await made.hashed("correct horse", source="x"), await made.hashed("correct horse", source="x")

    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert one != other
    assert "correct" not in one
    assert await made.is_right("correct horse", one, source="x", account="")
    assert await made.is_right("correct horse", other, source="x", account="")


@pytest.mark.parametrize("guess", ["", "wrong horse", "correct horse ", "Correct horse", "x" * 100_000, "\udcff", "\0"])
async def test_nothing_else_is_right(guess: str) -> None:
    made = Passwords()
    stored = await made.hashed("correct horse", source="x")

    assert not await made.is_right(guess, stored, source="x", account="")


async def test_no_password_is_right_where_none_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is compared all the same: an account that is not there answers no sooner."""
    compared: list[str] = []

    real = passwords.Argon2id.verify_phc_encoded
    made = Passwords()

    class Counting:
        @staticmethod
        def verify_phc_encoded(guess: bytes, stored: str) -> None:
            compared.append(stored)
            real(guess, stored)

    monkeypatch.setattr(passwords, "Argon2id", Counting)
    for guess in ("", "correct horse"):
        assert not await made.is_right(guess, None, source="x", account="")
    assert len(compared) == 2


@pytest.mark.parametrize(
    "text", ["correct horse", "0123456789", "  blanks count ", "pässwörter", "x" * 250 + "abcdef", "zehn\tzehn!"]
)
def test_what_a_password_may_be(text: str) -> None:
    assert parse_password(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "x" * (SHORTEST - 1), "abcdefghi", "a" * 20, "abababababab", "x1y2" * 65, "half \ud800 a pair", "nul \0 byte abc"],
)
def test_what_a_password_may_not_be(text: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        parse_password(text)
    assert not text or text not in caught.value.text
    assert LONGEST == 256
