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
