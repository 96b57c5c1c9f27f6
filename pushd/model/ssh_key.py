"""SSH keys: which public keys a user may push with, read from the one line that `ssh-keygen` writes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from pushd.errors import InvalidParams

TYPES = (
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
)  # fmt: skip
RSA_BITS_AT_LEAST = 2048
LINE_LIMIT = 10_000  # characters; RSA with 16,384 bits takes 2,800
COMMENT_LIMIT = 255

_MAKE_ONE = "Make one with `ssh-keygen -t ed25519` and send the file that ends in .pub."


@dataclass(frozen=True, slots=True, kw_only=True)
class SshKey:
    """A public key of a user."""

    id: UUID
    user_id: UUID
    email: str  # of the user
    public_key: str  # "ssh-ed25519 AAAA... me@laptop"
    created_at: datetime
    updated_at: datetime

    @property
    def comment(self) -> str:
        return self.public_key.split(" ", 2)[2]

    @property
    def fingerprint(self) -> str:
        """ "17:63:a4:...": the MD5 of the key, as the published schema shows it; nothing is decided by it."""
        return hashlib.md5(key_data(self.public_key), usedforsecurity=False).digest().hex(":")


def parse_public_key(text: str, *, comment: str) -> str:
    """`type base64 comment` in one line; a key without a comment gets `comment`, for commands name keys by it.

    Raises: InvalidParams that says what is wrong and what to send.
    """
    if "PRIVATE KEY" in text:
        raise InvalidParams("That is a private key: it must stay where it is.", remedy="Send the file that ends in .pub.")
    lines = [line.strip() for line in text[: LINE_LIMIT + 1].splitlines() if line.strip()]
    if len(text) > LINE_LIMIT or len(lines) != 1:
        raise InvalidParams("An SSH public key is one line, and this is not.", remedy=_MAKE_ONE)
    kind, _, rest = re.sub(r"\s+", " ", lines[0]).partition(" ")
    data, _, own_comment = rest.partition(" ")
    if kind not in TYPES:
        raise InvalidParams(
            "That is not an SSH public key of a type we take.", remedy=f"We take {', '.join(TYPES)}. {_MAKE_ONE}"
        )
    _check(kind, data)
    return f"{kind} {data} {_printable(own_comment) or comment}"


def key_data(public_key: str) -> bytes:
    """The key itself, as SSH sends it. Raises: ValueError."""
    return base64.b64decode(public_key.split(" ", 2)[1], validate=True)


def _check(kind: str, data: str) -> None:
    """Raises: InvalidParams for what is no key, and for one that is too weak."""
    try:
        key_data(f"{kind} {data}")
        key = load_ssh_public_key(f"{kind} {data}".encode())
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raise InvalidParams("The SSH public key is damaged or not complete.", remedy=_MAKE_ONE) from None
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < RSA_BITS_AT_LEAST:
        raise InvalidParams(
            f"An RSA key of {key.key_size} bits is too weak; {RSA_BITS_AT_LEAST} is the least.", remedy=_MAKE_ONE
        )


def _printable(comment: str) -> str:
    return "".join(c for c in comment if c.isprintable())[:COMMENT_LIMIT]
