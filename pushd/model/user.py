"""A user: whoever holds a token. Step 1 has one, the operator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One account; `is_operator` may do everything."""

    id: UUID
    email: str
    is_operator: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """A token that a user was given; the token itself is known to its holder alone."""

    id: UUID
    user_id: UUID
    description: str
    token_hint: str  # "pushd-Ab**********yz12"
    created_at: datetime
    expires_at: datetime | None  # None: never
