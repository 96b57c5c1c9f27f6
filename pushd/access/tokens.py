"""Tokens as requests carry them."""

from __future__ import annotations

import base64
import binascii


def maybe_token(header: str | None) -> str | None:
    """The token in an Authorization header: `Bearer T`, or Basic with T as the password (any user name, or none).

    None without one, and for what is neither. Source: RFC 6750 section 2.1; RFC 7617 section 2.
    """
    scheme, _, value = (header or "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2] or None
    except (binascii.Error, UnicodeDecodeError):
        return None
