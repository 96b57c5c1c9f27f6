"""Encrypts what must not lie open on the disk, with the key in `secret.key`."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pushd.errors import PushdError
from pushd.kit.atomic import write_atomically
from pushd.model.secret import Environ

KEY_BYTES = 32  # AES-256
NONCE_BYTES = 12  # NIST SP 800-38D section 5.2.1.1
_RESTORE = "Put back the file from the backup that belongs to this store; config vars cannot be read without it."


class WrongKey(PushdError):
    """`secret.key` is missing, unreadable, or not the one that the store was encrypted with; nothing was changed."""

    id, status = "wrong_key", 500


class Cipher:
    """AES-256-GCM. `purpose` is bound to what it encrypts: text sealed for one release cannot be passed off as another's."""

    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, values: Mapping[str, str], *, purpose: str) -> bytes:
        """Nonce, then the encrypted and authenticated JSON of `values`."""
        nonce = os.urandom(NONCE_BYTES)
        text = json.dumps(dict(values), ensure_ascii=False, separators=(",", ":"))
        return nonce + self._aead.encrypt(nonce, text.encode(), purpose.encode())

    def unseal(self, sealed: bytes, *, purpose: str) -> Environ:
        """What `seal` was given, sorted by name. Raises: WrongKey."""
        try:
            text = self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
        except InvalidTag:
            raise WrongKey(f"cannot decrypt {purpose}: the key or the data is another one", remedy=_RESTORE) from None
        return Environ(dict(sorted(json.loads(text).items())))


def read_or_make_key(path: Path, *, may_make: bool) -> bytes:
    """The key of `path`; a new one, on disk before it is used, if there is none and `may_make`.

    Shape:   the file holds one line of URL-safe base64.
    Raises:  WrongKey; OSError when a new file cannot be written.
    """
    try:
        key = base64.b64decode(path.read_bytes().strip(), altchars=b"-_", validate=True)
    except FileNotFoundError:
        if not may_make:
            raise WrongKey(f"cannot read config vars: {path} is missing", remedy=_RESTORE) from None
        key = os.urandom(KEY_BYTES)
        write_atomically(path, base64.urlsafe_b64encode(key) + b"\n", mode=0o600)
    except binascii.Error:
        raise WrongKey(f"cannot read config vars: {path} holds no key", remedy=_RESTORE) from None
    except OSError as error:
        raise WrongKey(f"cannot read config vars: {path}: {error.strerror}", remedy="Check its owner and mode.") from error
    if len(key) != KEY_BYTES:
        raise WrongKey(f"cannot read config vars: {path} holds no key of {KEY_BYTES} bytes", remedy=_RESTORE)
    return key
