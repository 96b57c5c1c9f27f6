"""Tokens as requests carry them."""

from __future__ import annotations

import base64
import binascii


def maybe_token(header: str | None) -> str | None:
    """The token in an Authorization header: `Bearer T`, or Basic with T as the password (any user name, or none).

    None without one, and for what is neither. Source: RFC 6750 section 2.1; RFC 7617 section 2.
    """
    scheme, value = _scheme_and_value(header)
    if scheme == "bearer":
        return value or None
    return _basic(value)[1] or None if scheme == "basic" else None


def maybe_name(header: str | None) -> str | None:
    """The user name in such a header; only Basic has one."""
    scheme, value = _scheme_and_value(header)
    return _basic(value)[0] or None if scheme == "basic" else None


def _scheme_and_value(header: str | None) -> tuple[str, str]:
    scheme, _, value = (header or "").strip().partition(" ")
    return scheme.lower(), value.strip()


def _basic(value: str) -> tuple[str, str]:
    """Name and password; empty for what cannot be read."""
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password
