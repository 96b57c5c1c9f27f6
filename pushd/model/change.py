"""A change: something stored that dynos have to follow; `/-/changes/<id>` says when they did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class ChangeState(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of an app (config, rollback, scale, restart, deploy) and how it ended."""

    id: UUID
    app_id: UUID
    state: ChangeState
    release_number: int | None
    reason: str  # why it failed, with what to do next; "" otherwise
    dynos: tuple[str, ...]  # names of those that a restart is to replace; none for a change that concerns all
    created_at: datetime
    updated_at: datetime
