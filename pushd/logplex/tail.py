"""Reads an app's segments as lines, in the order in which they came: the last ones, those after an id, and the new ones.

A line's id is the sequence of its stamp, the offset behind it, and how many lines came behind it with that stamp. It says where
to go on in every segment, and what was missed of those that were dropped since; it stays the same when the daemon starts anew.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import NamedTuple

from pushd.logplex.applog import PLATFORM, AppLog
from pushd.logplex.lines import pieces
from pushd.logplex.segment import Segment, Stamp
from pushd.model.logline import APP, LogLine

_READ_BYTES = 1 << 16  # at a time, so that neither the loop nor other readers wait long
_ID = re.compile(r"(\d{1,19})-(\d{1,9})(?:-(\d{1,9}))?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader asks for: `process` is a type ("web") or a dyno ("web.1"), `source` is app or heroku."""

    process: str | None = None
    source: str | None = None

    def segment(self, process: str) -> bool:
        """Whether a segment can hold wanted lines."""
        return process == PLATFORM or self.line(APP, process)

    def line(self, source: str, process: str) -> bool:
        """Whether a line is wanted."""
        return self.source in (None, source) and self.process in (None, process, process.partition(".")[0])


class _Place(NamedTuple):
    """Where a reader goes on in a segment, and the number of newlines before."""

    offset: int
    lines: int


# One piece of a segment: its sequence, the place behind it, the segment, and the line if that is wanted. There are many.
_Found = tuple[int, int, int, Segment, LogLine | None]
_order = itemgetter(0, 1)  # in which they came: sequence, offset behind


class Reader:
    """One reader of one app's log. Its calls do file work: run them in a thread, one at a time."""

    def __init__(self, log: AppLog, wanted: Wanted) -> None:
        self.missed = 0  # lines that were dropped before this reader came to them
        self._log = log
        self._wanted = wanted
        self._places: dict[int, _Place] = {}  # by the number of the segment; the others are read from their beginning
        self._dropped: deque[Segment] = deque()
        self._counted: frozenset[int] = frozenset()  # segments that were dropped, and counted, before it began

    def close(self) -> None:
        """The last call; needs no thread."""
        self._log.unwatch(self._dropped.append)

    def last(self, count: int) -> list[LogLine]:
        """The last lines, oldest first; what comes next begins after them."""
        best: list[_Found] = []
        for segment, end in sorted(self._start(), key=lambda each: each[1], reverse=True):
            place = self._places[segment.number] = _Place(_unread(segment, end.end), end.lines)
            if count > 0 and (len(best) < count or end.sequence >= best[0][0]):
                best = sorted(best + self._last_of(segment, place, count), key=_order)[-count:]
        return [line for *_, line in best if line]

    def seek(self, after: str) -> bool:
        """Begin after the line with that id; False if it is no id."""
        match = _ID.fullmatch(after)
        if match is None:
            return False
        sequence, offset = int(match[1]), int(match[2])
        visible, dropped = self._start(), self._log.dropped()
        self._counted = frozenset(segment.number for segment in dropped)
        for segment, _ in visible:
            try:
                self._places[segment.number] = _after(segment, sequence, offset)
            except FileNotFoundError:
                continue  # dropped just now
        if sequence > 0:  # else it wants all that is kept, and has not come to anything yet
            self.missed += self._missed_of(dropped, sequence, behind=int(match[3] or 0))
        return True

    def new(self) -> list[LogLine]:
        """Lines that came since, oldest first; a bounded number at a time, [] when there are none."""
        while found := self._next():
            for _, offset, count, segment, _ in {each[3].number: each for each in found}.values():
                self._places[segment.number] = _Place(offset, count)
            if lines := [each[4] for each in found if each[4]]:
                break
        else:
            lines = []
        self._count_missed()
        return lines

    def _missed_of(self, dropped: Sequence[Segment], sequence: int, *, behind: int) -> int:
        """Lines of segments that were dropped while nobody watched: all with later stamps, and the rest of this one."""
        missed, its_stamp_is_gone = 0, False
        for segment in dropped:
            if self._wanted.segment(segment.process):
                later, same_and_later = segment.lines_after(sequence), segment.lines_after(sequence - 1)
                missed += later
                its_stamp_is_gone = its_stamp_is_gone or later < same_and_later
        return missed + (behind if its_stamp_is_gone else 0)

    def _next(self) -> list[_Found]:
        """The pieces that come next, in order; [] when there are none."""
        waiting = [(segment, end) for segment, end in self._visible() if end.end > self._place(segment).offset]
        if len(waiting) > 1:
            waiting.sort(key=lambda each: self._next_sequence(each[0]))
        found: list[_Found] = []
        horizon: int | None = None  # what came later waits: there may be earlier lines behind those that were read
        for segment, end in waiting:
            if horizon is not None and self._next_sequence(segment) > horizon:
                break
            start = self._place(segment)
            stop = min(end.end, start.offset + _READ_BYTES)
            read = _read(segment, start, stop, self._wanted)
            if stop < end.end and read:
                horizon = read[-1][0] if horizon is None else min(read[-1][0], horizon)
            found += read
        if horizon is not None:
            found = [each for each in found if each[0] <= horizon]
        return sorted(found, key=_order) if len(waiting) > 1 else found

    def _start(self) -> list[tuple[Segment, Stamp]]:
        self._log.watch(self._dropped.append)
        visible = self._visible()
        self._places = {segment.number: _Place(end.end, end.lines) for segment, end in visible}
        self._dropped.clear()
        return visible

    def _visible(self) -> list[tuple[Segment, Stamp]]:
        return [(segment, end) for segment, end in self._log.visible() if self._wanted.segment(segment.process)]

    def _place(self, segment: Segment) -> _Place:
        return self._places.get(segment.number, _Place(0, 0))

    def _next_sequence(self, segment: Segment) -> int:
        try:
            with segment.stamps() as stamps:
                index = bisect_right(stamps, self._place(segment).offset, key=lambda stamp: stamp.end)
                return stamps[index].sequence
        except FileNotFoundError:
            return 0  # dropped just now

    def _last_of(self, segment: Segment, stop: _Place, count: int) -> list[_Found]:
        """The last wanted lines of a segment, and maybe some more before them."""
        found: list[_Found] = []
        end, lines, block = stop.offset, stop.lines, min(_READ_BYTES, 256 * count)
        try:
            while end > 0 and len(found) < count:
                start = segment.line_start(max(0, end - block))
                lines -= segment.read(start, end).count(b"\n")
                read = _read(segment, _Place(start, lines), end, self._wanted)
                found = [each for each in read if each[4]] + found
                end, block = start, _READ_BYTES
        except FileNotFoundError:
            pass  # dropped just now
        return found

    def _count_missed(self) -> None:
        while self._dropped:
            segment = self._dropped.popleft()
            if self._wanted.segment(segment.process) and segment.number not in self._counted:
                self.missed += segment.last.lines - self._place(segment).lines
            self._places.pop(segment.number, None)


def _read(segment: Segment, start: _Place, stop: int, wanted: Wanted) -> list[_Found]:
    """All pieces between two offsets, in order."""
    try:
        data = segment.read(start.offset, stop)
        with segment.stamps() as stamps:
            covering = iter(stamps.covering(start.offset, stop))
    except FileNotFoundError:
        return []  # dropped just now: it is counted
    stamp = next(covering, segment.last)
    at, known_id = _time(stamp), f"{stamp.sequence}-"
    lines, process = start.lines, segment.process
    found: list[_Found] = []
    for message, end, known in pieces(data, start.offset):
        while known > stamp.end:
            stamp = next(covering, segment.last)
            at, known_id = _time(stamp), f"{stamp.sequence}-"
        lines += end == known
        if process == PLATFORM:
            line = _said(message, at, f"{known_id}{end}-{stamp.lines - lines}", wanted)
        else:
            line = LogLine(at, APP, process, message, f"{known_id}{end}-{stamp.lines - lines}")  # only wanted segments are read
        found.append((stamp.sequence, end, lines, segment, line))
    return found


def _said(raw: str, at: datetime, id_: str, wanted: Wanted) -> LogLine | None:
    """A line of the platform, if it is wanted and not the rest of one that a power cut has torn."""
    source, _, rest = raw.partition("\t")
    process, tab, message = rest.partition("\t")
    return LogLine(at, source, process, message, id_) if tab and wanted.line(source, process) else None


def _after(segment: Segment, sequence: int, offset: int) -> _Place:
    """The place in a segment after the line with this id, which may stand in another one."""
    with segment.stamps() as stamps:
        count = bisect_right(stamps, sequence, key=lambda stamp: stamp.sequence)
        if count == 0:
            return _Place(0, 0)
        stamp = stamps[count - 1]
    if stamp.sequence == sequence and offset <= stamp.end:
        return _Place(offset, stamp.lines - segment.read(offset, stamp.end).count(b"\n"))
    return _Place(_unread(segment, stamp.end), stamp.lines)


def _unread(segment: Segment, end: int) -> int:
    """Where the piece begins that is not complete at `end`."""
    try:
        start = segment.line_start(end)
        if end - start < 1:
            return start
        return max((after for _, after, _ in pieces(segment.read(start, end), start)), default=start)
    except FileNotFoundError:
        return end


def _time(stamp: Stamp) -> datetime:
    return datetime.fromtimestamp(stamp.time_us / 1_000_000, UTC)
