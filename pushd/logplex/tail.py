"""Reads an app's segments as lines, in the order in which they came: the last ones, those after an id, and the new ones."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pushd.logplex.applog import PLATFORM, AppLog
from pushd.logplex.lines import messages
from pushd.logplex.segment import Segment
from pushd.model.logline import APP, LogLine

_READ_BYTES = 1 << 18
_ID = re.compile(r"(\d{1,19})-(\d{1,19})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader asks for: `process` is a type ("web") or a dyno ("web.1"), `source` is app or heroku."""

    process: str | None = None
    source: str | None = None

    def segment(self, process: str) -> bool:
        """Whether a segment can hold wanted lines."""
        if process == PLATFORM:
            return True
        return self.source in (None, APP) and self._process(process)

    def line(self, source: str, process: str) -> bool:
        """Whether a line is wanted."""
        return self.source in (None, source) and self._process(process)

    def _process(self, process: str) -> bool:
        return self.process in (None, process, process.partition(".")[0])


@dataclass(frozen=True, slots=True)
class _Found:
    """One raw line and where it ends; sorts in the order in which lines came."""

    sequence: int
    end: int
    segment: Segment
    lines: tuple[LogLine, ...]


class Reader:
    """One reader of one app's log. Its calls do file work: run them in a thread, one at a time."""

    def __init__(self, log: AppLog, wanted: Wanted) -> None:
        self.missed = 0  # lines that were dropped before this reader came to them
        self._log = log
        self._wanted = wanted
        self._cursors: dict[int, int] = {}  # number of a segment -> where the next unread line begins

    def start(self) -> None:
        """From now on the reader is told what it misses."""
        with self._log.lock:
            self._log.on_drop.add(self._on_drop)

    def stop(self) -> None:
        with self._log.lock:
            self._log.on_drop.discard(self._on_drop)

    def last(self, count: int) -> list[LogLine]:
        """The last lines, oldest first; what comes next begins after them."""
        best: list[_Found] = []
        segments = sorted(self._visible(), key=lambda each: each[0].last_sequence, reverse=True)
        for segment, end in segments:
            stop = segment.line_start(end)
            self._cursors[segment.number] = stop
            if count <= 0 or (len(best) >= count and segment.last_sequence < best[-count].sequence):
                continue
            everything = segment.process == PLATFORM and self._wanted != Wanted()
            start = 0 if everything else segment.tail_start(count, stop)
            found = (each for each in self._read(segment, start, stop) if each.lines)  # without those not asked for
            best = _sorted([*best, *found])[-count:]
        return [line for found in best for line in found.lines][-count:] if count > 0 else []

    def seek(self, after: str) -> bool:
        """Begin after the line with that id; False if it is no id."""
        match = _ID.fullmatch(after)
        if match is None:
            return False
        sequence, end = int(match[1]), int(match[2])
        for segment, _ in self._visible():
            stamps = segment.stamps()
            index = bisect_right(stamps.sequences, sequence)
            if index and stamps.sequences[index - 1] == sequence:
                self._cursors[segment.number] = end
            else:
                self._cursors[segment.number] = segment.line_start(stamps.ends[index - 1]) if index else 0
        return True

    def new(self) -> list[LogLine]:
        """Lines that came since, oldest first; a bounded number at a time, [] when there are none."""
        found: list[_Found] = []
        horizon: int | None = None
        for segment, end in self._visible():
            start = self._cursors.get(segment.number, 0)
            if end <= start:
                continue
            lines = self._read(segment, start, min(end, start + _READ_BYTES))
            if end > start + _READ_BYTES:
                if not lines:  # one line longer than what is read at a time
                    lines = self._read(segment, start, end)
                elif horizon is None or lines[-1].sequence < horizon:
                    horizon = lines[-1].sequence
            found += lines
        found = _sorted(each for each in found if horizon is None or each.sequence <= horizon)
        for each in found:
            self._cursors[each.segment.number] = each.end
        return [line for each in found for line in each.lines]

    def _visible(self) -> list[tuple[Segment, int]]:
        return [(segment, end) for segment, end in self._log.visible() if self._wanted.segment(segment.process)]

    def _read(self, segment: Segment, start: int, end: int) -> list[_Found]:
        try:
            data, stamps = segment.read(start, end), segment.stamps()
        except FileNotFoundError:
            return []  # dropped just now: `_on_drop` has counted it
        found, position = [], start
        for raw in data.split(b"\n")[:-1]:
            position += len(raw) + 1
            sequence, time_us = stamps.at(position)
            lines = tuple(self._lines(segment, raw, f"{sequence}-{position}", time_us))
            found.append(_Found(sequence, position, segment, lines))
        return found

    def _lines(self, segment: Segment, raw: bytes, id_: str, time_us: int) -> list[LogLine]:
        source, process = APP, segment.process
        if process == PLATFORM:
            head, name, raw = raw.split(b"\t", 2)
            source, process = head.decode(), name.decode()
        if not self._wanted.line(source, process):
            return []
        at = datetime.fromtimestamp(time_us / 1_000_000, UTC)
        return [LogLine(at, source, process, message, id_) for message in messages(raw)]

    def _on_drop(self, segment: Segment) -> None:
        cursor = self._cursors.pop(segment.number, 0)
        if self._wanted.segment(segment.process) and cursor < segment.end:
            self.missed += segment.read(cursor, segment.end).count(b"\n")


def _sorted(found: Iterable[_Found]) -> list[_Found]:
    return sorted(found, key=lambda each: (each.sequence, each.end))
