"""URLs that are the secret: log sessions and output streams are read without a token.

Nothing is stored for them: what they allow is written into them and signed, so they outlive a restart of the daemon. Nor is the
key: it comes of the one that the store is encrypted with, so who has the store alone makes no URLs, and another key ends them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pushd.errors import NotFound

KEY = "signed URLs"  # what its key is derived for
_SIGNATURE_BYTES = 16
_TOKEN_LIMIT = 2000


class Signer:
    """Makes and reads such tokens, each for one purpose and until a moment."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, purpose: str, claims: Mapping[str, Any], *, until: datetime) -> str:
        """Text for a URL path; `claims` are visible in it, so no secret belongs there."""
        payload = {**claims, "for": purpose, "until": int(until.timestamp())}
        body = json.dumps(payload, separators=(",", ":"), sort_keys=True).encode()
        return _encode(self._signature(body) + body)

    def read(self, purpose: str, token: str, *, now: datetime) -> Mapping[str, Any]:
        """The claims. Raises: NotFound for a token that is not ours, of another purpose, or too old."""
        signed = _decode(token) if len(token) <= _TOKEN_LIMIT else b""
        signature, body = signed[:_SIGNATURE_BYTES], signed[_SIGNATURE_BYTES:]
        if hmac.compare_digest(signature, self._signature(body)):
            claims: Mapping[str, Any] = json.loads(body)
            if claims["for"] == purpose and now.timestamp() < claims["until"]:
                return claims
        raise no_such_url(purpose)

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)[:_SIGNATURE_BYTES]


def no_such_url(purpose: str) -> NotFound:
    """The one answer to every URL that opens nothing (any more)."""
    resource = purpose.rpartition(" ")[2]  # "put slug" is about a slug
    return NotFound("This URL is not valid, or not any more.", resource=resource, remedy="Ask the API for a new one.")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        return b""
