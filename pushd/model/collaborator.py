"""Collaborators: users with whom an app is shared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pushd.errors import InvalidParams

EMAIL_LIMIT = 254  # characters: RFC 5321 section 4.5.3.1.3, without the angle brackets
_EMAIL = re.compile(r"[^\s@<>\"'(),:;\\\x00-\x20\x7f]+@[^\s@<>\"'(),:;\\\x00-\x20\x7f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collaborator:
    """One user who may work on an app; its owner is one too and cannot be removed."""

    id: UUID
    user_id: UUID
    email: str
    is_owner: bool
    created_at: datetime
    updated_at: datetime


def parse_email(text: str) -> str:
    """An e-mail address, as given. Whether mail arrives there is not asked. Raises: InvalidParams."""
    if len(text) > EMAIL_LIMIT or not _EMAIL.fullmatch(text) or not text.isprintable():
        raise InvalidParams(f"{text[:64]!r} is not an e-mail address.", remedy="Write it like ada@example.com.")
    return text
