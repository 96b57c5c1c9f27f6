"""Passwords: what one may be, and how one is kept and compared. Source of the costs: OWASP's Password Storage Cheat Sheet."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from pushd.access.turns import Turns
from pushd.errors import InvalidParams
from pushd.kit.aio import in_thread

SHORTEST, LONGEST = 10, 256  # characters
_MEMORY_KIB, _ITERATIONS, _LANES = 19 * 1024, 2, 1  # some 50 ms
_SALT_BYTES, _HASH_BYTES = 16, 32
# What a password is compared with where none is stored: an account that is not there answers no sooner than one that is.
_NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$AukKsmxTb1zHG2ZXkJJcng$XL45yVPDpxdOWFKeSChXIJ1QnwyapKxtlh7/hdnzyUc"


class Passwords:
    """Hashes and compares, one at a time: a flood of guesses takes one processor and 19 MiB, not all of them."""

    def __init__(self) -> None:
        self._turns = Turns()

    async def hashed(self, password: str, *, source: str) -> str:
        """What is stored of a password, with its salt and its costs. Raises: TooManyAttempts."""
        async with self._turns.turn(source, ""):
            return await in_thread(_hashed, password)

    async def is_right(self, password: str, stored: str | None, *, source: str, account: str) -> bool:
        """Whether that is the password; takes as long when none is stored. Raises: TooManyAttempts."""
        async with self._turns.turn(source, account):
            return await in_thread(_is_right, password, stored)


def parse_password(text: str) -> str:
    """A password that may be set, as given. Raises: InvalidParams; the text does not show it."""
    if not SHORTEST <= len(text) <= LONGEST:
        raise InvalidParams(
            f"A password has {SHORTEST} to {LONGEST} characters.", remedy="Take some words that nobody would guess."
        )
    if len(set(text)) < 4:
        raise InvalidParams("That password repeats a character or two.", remedy="Take some words that nobody would guess.")
    if "\0" in text or not _is_text(text):
        raise InvalidParams("That password is no text.", remedy="Leave out NUL bytes and halves of characters.")
    return text


def _hashed(password: str) -> str:
    salt = os.urandom(_SALT_BYTES)
    kdf = Argon2id(salt=salt, length=_HASH_BYTES, iterations=_ITERATIONS, lanes=_LANES, memory_cost=_MEMORY_KIB)
    return kdf.derive_phc_encoded(password.encode())


def _is_right(password: str, stored: str | None) -> bool:
    """Compares in constant time; what can be no password is compared too, as an empty one."""
    guess = password.encode() if len(password) <= LONGEST and _is_text(password) else b""
    try:
        Argon2id.verify_phc_encoded(guess, stored or _NOBODYS)
    except InvalidKey:
        return False
    return stored is not None


def _is_text(text: str) -> bool:
    return text == text.encode("utf-8", "replace").decode()
