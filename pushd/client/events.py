"""Server-sent events: bytes as they come in, events out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `data` without its last newline; `id` to go on after a break ("" when none was sent)."""

    data: str
    id: str


def parse_events(chunks: Iterable[bytes]) -> Iterator[Event]:
    """Events of one stream, each as soon as its blank line is in; comments and an unfinished last event vanish.

    Source: WHATWG HTML, "Server-sent events", interpreting an event stream. LF and CRLF end a line; a lone CR (which
    no server of ours writes) does not.
    """
    data: list[str] = []
    last_id = ""
    for line in _lines(chunks):
        if not line:
            if data:
                yield Event("\n".join(data), last_id)
            data = []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            last_id = value


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode("utf-8", "replace")
