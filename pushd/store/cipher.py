"""Encrypts what must not lie open on the disk; which key it is stands in `keys.py`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pushd.errors import PushdError
from pushd.model.secret import Environ

DERIVED_BYTES = 32
NONCE_BYTES = 12  # NIST SP 800-38D section 5.2.1.1
RESTORE = "Put back the file from the backup that belongs to this store; config vars cannot be read without it."


class WrongKey(PushdError):
    """The key is missing, unreadable, or not the one that the store was encrypted with; nothing was changed."""

    id, status = "wrong_key", 500


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column of the store that holds what `Cipher.seal` gave, and what each row's text is bound to, by the row's id."""

    table: str
    column: str
    purpose: Callable[[str], str]


class Cipher:
    """AES-256-GCM. `purpose` is bound to what it encrypts: text sealed for one release cannot be passed off as another's."""

    __slots__ = ("_aead", "_key")

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._key = key

    def seal(self, values: Mapping[str, str], *, purpose: str) -> bytes:
        """Nonce, then the encrypted and authenticated JSON of `values`."""
        nonce = os.urandom(NONCE_BYTES)
        text = json.dumps(dict(values), ensure_ascii=False, separators=(",", ":"))
        return nonce + self._aead.encrypt(nonce, text.encode(), purpose.encode())

    def derive(self, purpose: str) -> bytes:
        """A key for something else, always the same with this one, that tells nothing of it. Source: RFC 5869."""
        info = f"pushd {purpose}".encode()
        return HKDF(hashes.SHA256(), DERIVED_BYTES, salt=None, info=info).derive(self._key)

    def unseal(self, sealed: bytes, *, purpose: str) -> Environ:
        """What `seal` was given, sorted by name. Raises: WrongKey."""
        try:
            text = self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
        except InvalidTag:
            raise WrongKey(f"cannot decrypt {purpose}: the key or the data is another one", remedy=RESTORE) from None
        return Environ(dict(sorted(json.loads(text).items())))
