"""Paging of lists: `Range: version ..; order=desc,max=15` in, one page and the `Next-Range` of the rest out.

Source: the Range section of the Platform API reference; the forms that the Heroku CLI 11 sends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from pushd.errors import BadRequest, PushdError

T = TypeVar("T")

MAX_LIMIT, DEFAULT_LIMIT = 1000, 200
_TEXT_LIMIT = 1000  # characters: twice the longest name with what stands around them
_RANGE = re.compile(r"\s*(?P<field>[a-z_]+)\s*(?P<bounds>[^;]*?)\s*(?:;(?P<options>.*))?", re.DOTALL)
_BOUNDS = re.compile(r"(?P<open>\]?)(?P<first>[^\s\[\]]*?)\.\.(?P<last>[^\s\[\]]*?)(?P<shut>\[?)")
_OPTION = re.compile(r"(?P<name>max|order)\s*=\s*(?P<value>[a-z]{1,10}|[0-9]{1,10})")


@dataclass(frozen=True)  # without slots: Python 3.11 cannot call Field[X](...) of a class that has them
class Field(Generic[T]):
    """What a list can be ordered by: the value of a row, and how its text in a Range is read, or refused."""

    value: Callable[[T], Any]
    parse: Callable[[str], Any] = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """One Range header, read. Bounds are None when open; `exclusive` first bounds come from our own Next-Range."""

    field: str
    first: Any = None
    last: Any = None
    first_exclusive: bool = False
    last_exclusive: bool = False
    limit: int = DEFAULT_LIMIT
    descending: bool = False


class Dated(Protocol):
    """What was made at a moment."""

    @property
    def created_at(self) -> datetime: ...


def created_at(row: Dated) -> str:
    """The value to order by: as fine as the store keeps it, so that few are equal, and sorted as text as in time."""
    return row.created_at.isoformat(timespec="microseconds")


def parse_range(text: str | None, fields: Mapping[str, Field[T]]) -> Range:
    """The range that `text` asks for; an empty or absent one is the whole list by the first field.

    Raises: BadRequest that says what can be asked for.
    """
    default = next(iter(fields))
    if text is None or not text.strip():
        return Range(field=default)
    if len(text) > _TEXT_LIMIT:
        raise _bad(text, f"it is longer than {_TEXT_LIMIT} characters", default)
    found = _RANGE.fullmatch(text)
    if not found or found["field"] not in fields:
        raise _bad(text, f"lists here are ordered by {' or '.join(fields)}", default)
    bounds = _BOUNDS.fullmatch(found["bounds"] or "..")
    if not bounds:
        raise _bad(text, "its bounds are not first..last", default)
    limit, descending = _options(text, found["options"] or "", default)
    parse = fields[found["field"]].parse
    try:
        first, last = (parse(bounds[end]) if bounds[end] else None for end in ("first", "last"))
    except (ValueError, PushdError):
        raise _bad(text, f"a bound is not a {found['field']}", default) from None
    return Range(
        field=found["field"],
        first=first,
        last=last,
        first_exclusive=bool(bounds["open"]),
        last_exclusive=bool(bounds["shut"]),
        limit=limit,
        descending=descending,
    )


def plan_page(rows: Sequence[T], wanted: Range, fields: Mapping[str, Field[T]]) -> tuple[list[T], str | None]:
    """The rows of one page in order, and the Next-Range header if more follow.

    Bounds are in the order of the list: with order=desc the first one is the highest.
    """
    value = fields[wanted.field].value
    chosen = sorted((row for row in rows if _inside(value(row), wanted)), key=value, reverse=wanted.descending)
    page = chosen[: wanted.limit]
    if len(chosen) <= wanted.limit:
        return page, None
    order = ",order=desc" if wanted.descending else ""
    end = "" if wanted.last is None else f"{wanted.last}{'[' if wanted.last_exclusive else ''}"
    return page, f"{wanted.field} ]{value(page[-1])}..{end}; max={wanted.limit}{order}"


def _inside(value: Any, wanted: Range) -> bool:
    if wanted.first is not None and not _after(value, wanted.first, wanted.descending, wanted.first_exclusive):
        return False
    return wanted.last is None or _after(value, wanted.last, not wanted.descending, wanted.last_exclusive)


def _after(value: Any, bound: Any, descending: bool, exclusive: bool) -> bool:
    if value == bound:
        return not exclusive
    return bool(value < bound) if descending else bool(value > bound)


def _options(text: str, options: str, default: str) -> tuple[int, bool]:
    limit, descending = DEFAULT_LIMIT, False
    for part in filter(None, (part.strip() for part in re.split(r"[,;]", options))):
        option = _OPTION.fullmatch(part)
        if not option:
            raise _bad(text, f"{part[:40]!r} is not max=N or order=asc|desc", default)
        if option["name"] == "order":
            if option["value"] not in ("asc", "desc"):
                raise _bad(text, "order is asc or desc", default)
            descending = option["value"] == "desc"
        elif not option["value"].isdigit() or not 1 <= int(option["value"]) <= MAX_LIMIT:
            raise _bad(text, f"max is 1 to {MAX_LIMIT}", default)
        else:
            limit = int(option["value"])
    return limit, descending


def _bad(text: str, why: str, default: str) -> BadRequest:
    return BadRequest(
        f"The Range {text[:80]!r} cannot be used: {why}.",
        remedy=f"Write it like: Range: {default} ..; order=desc,max=10",
    )
