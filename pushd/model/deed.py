"""A deed: one thing that somebody did, or tried, as the audit trail keeps it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

DONE = "done"
_LONGEST = 300  # characters of one text
_MOST_BYTES = 4096  # of all details of an entry, as JSON
_REST = "..."


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
    """The same, as JSON knows it and bounded as a whole: nobody fills the store by it. For what does not fit stands "..."."""
    bounded: dict[str, Any] = _bounded(details, _Room(_MOST_BYTES))
    return bounded


class _Room:
    """What may still be written."""

    def __init__(self, size_bytes: int) -> None:
        self._left = size_bytes

    def takes(self, value: Any) -> bool:
        """Whether this fits yet; then it is counted, with what stands around it."""
        self._left -= len(json.dumps(value, ensure_ascii=False).encode()) + 4
        return self._left >= 0


def _bounded(value: Any, room: _Room) -> Any:
    match value:
        case Mapping():
            kept = dict[str, Any]()
            for name in value:
                if not room.takes(clean(name)):
                    return kept | {_REST: _REST}
                kept[clean(name)] = _bounded(value[name], room)
            return kept
        case list() | tuple() | set() | frozenset():
            listed = list[Any]()
            for each in value:
                if not room.takes(""):
                    return [*listed, _REST]
                listed.append(_bounded(each, room))
            return listed
        case float() if not math.isfinite(value):
            return _bounded(str(value), room)  # JSON has no word for it
        case None | bool() | int() | float():
            return value if room.takes(value) else _REST
        case _:
            text = clean(str(value))
            return text if room.takes(text) else _REST


def clean(text: str) -> str:
    """Short, and without what no UTF-8 can hold."""
    return text[:_LONGEST].encode("utf-8", "replace").decode()
