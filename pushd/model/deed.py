"""A deed: one thing that somebody did, or tried, as the audit trail keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

DONE = "done"
_LONGEST = 300  # characters of one text


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Names, never values: `details` holds what changed by name, and before and after of what is no secret."""

    seq: int
    id: UUID
    user_id: UUID
    user_email: str
    credential: str  # "token laptop (pushd-Ab**********yz12)", "password"
    source: str  # an address
    action: str  # "PATCH /apps/{app}/config-vars", "git push"
    app_id: UUID | None
    app_name: str | None  # as it was called then
    created_at: datetime
    ended_at: datetime | None  # None: it goes on, or the server stopped before its end
    outcome: str | None  # DONE, or why not
    details: Mapping[str, Any] = field(default_factory=dict)


def parse_details(details: Mapping[str, Any]) -> dict[str, Any]:
    """The same, bounded: what a client sends must not fill the store."""
    return {clean(name): _bounded(value) for name, value in list(details.items())[:_LONGEST]}


def _bounded(value: Any) -> Any:
    match value:
        case str():
            return clean(value)
        case Mapping():
            return parse_details(value)
        case list() | tuple() | set() | frozenset():
            return [_bounded(each) for each in list(value)[:_LONGEST]]
        case None | bool() | int() | float():
            return value
        case _:
            return clean(str(value))


def clean(text: str) -> str:
    """Short, and without what no UTF-8 can hold."""
    return text[:_LONGEST].encode("utf-8", "replace").decode()
