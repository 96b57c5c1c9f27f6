"""The log of one app: its segments, the order of what comes, and the bound on what is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from pushd.kit.clock import Clock
from pushd.logplex.segment import Segment

PLATFORM = "platform"  # the segment of lines that the platform says; no process type can be called so: it has no number
_SEGMENT_BYTES = 4 << 20
_SEGMENTS_MAX = 200


class AppLog:
    """Thread-safe: pipes and the platform's writer append from threads, tails read from others.

    `on_growth` is called (in any thread) after bytes became visible.
    """

    def __init__(self, folder: Path, clock: Clock, *, limit_bytes: int, on_growth: Callable[[], None]) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self.lock = threading.Lock()
        self.on_drop: set[Callable[[Segment], None]] = set()  # called under the lock before a segment goes
        self._clock = clock
        self._on_growth = on_growth
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = (Segment.found(path) for path in folder.glob("*.log"))
        self.segments = sorted((each for each in found if each is not None), key=lambda each: each.number)
        self._sequence = max((each.last_sequence for each in self.segments), default=0)
        self._time_us = max((each.last_time for each in self.segments), default=0)
        self._next_number = max((each.number for each in self.segments), default=0) + 1
        for segment in self.segments:
            self._mend(segment)

    def take(self, process: str) -> Segment:
        """A segment that the caller alone may append to, until `give_back`."""
        with self.lock:
            return self._take(process)

    def give_back(self, segment: Segment) -> None:
        """The caller is done with it: an unfinished last line is ended."""
        with self.lock:
            try:
                if not segment.ends_with_newline():
                    segment.write(b"\n")
                    self._stamp(segment, segment.end + 1)
            finally:
                segment.close()
                segment.in_use = False
        self._on_growth()

    def stamp(self, segment: Segment, end: int) -> Segment:
        """Make the segment's bytes up to `end` visible, as having come now; gives the segment to go on with."""
        with self.lock:
            self._stamp(segment, end)
            if segment.end >= _SEGMENT_BYTES and (segment.ends_with_newline() or segment.end >= 2 * _SEGMENT_BYTES):
                segment = self._rotate(segment)
        self._on_growth()
        return segment

    def write_platform(self, lines: Iterable[bytes]) -> None:
        """Append whole lines of the platform (`source TAB process TAB message`), each with a stamp of its own.

        Raises: OSError when the disk is full; lines before that are kept.
        """
        with self.lock:
            segment = self._take(PLATFORM)
            try:
                for line in lines:
                    segment.write(line + b"\n")
                    self._stamp(segment, segment.end + len(line) + 1)
                    if segment.end >= _SEGMENT_BYTES:
                        segment = self._rotate(segment)
            finally:
                segment.close()
                segment.in_use = False
        self._on_growth()

    def visible(self) -> list[tuple[Segment, int]]:
        """Every segment with the end of what may be read, at one moment."""
        with self.lock:
            return [(segment, segment.end) for segment in self.segments]

    def close(self) -> None:
        """Let all descriptors go."""
        with self.lock:
            for segment in self.segments:
                segment.close()

    def _take(self, process: str) -> Segment:
        for segment in self.segments:
            if segment.process == process and not segment.in_use and segment.end < _SEGMENT_BYTES:
                segment.in_use = True
                return segment
        segment = Segment(self.folder, process, self._next_number)
        segment.open()
        segment.in_use = True
        self._next_number += 1
        self.segments.append(segment)
        self._drop_oldest()
        return segment

    def _rotate(self, segment: Segment) -> Segment:
        if not segment.ends_with_newline():
            segment.write(b"\n")
            self._stamp(segment, segment.end + 1)
        segment.close()
        segment.in_use = False
        return self._take(segment.process)

    def _stamp(self, segment: Segment, end: int) -> None:
        now_us = int(self._clock.now().timestamp() * 1_000_000)
        time_us = max(now_us, self._time_us)
        segment.stamp(self._sequence + 1, time_us, end)
        self._sequence, self._time_us = self._sequence + 1, time_us

    def _drop_oldest(self) -> None:
        total = sum(each.end for each in self.segments)
        idle = sorted((each for each in self.segments if not each.in_use), key=lambda each: each.last_sequence)
        for segment in idle:
            if total + _SEGMENT_BYTES <= self.limit_bytes and len(self.segments) <= _SEGMENTS_MAX:
                return
            total -= segment.end
            self.segments.remove(segment)
            for tell in self.on_drop:
                tell(segment)
            segment.remove()

    def _mend(self, segment: Segment) -> None:
        """Stamp what a killed daemon had moved and not stamped, and end its last line."""
        size = segment.size()
        if size > segment.end:
            self._stamp(segment, size)
        if not segment.ends_with_newline():
            segment.write(b"\n")
            self._stamp(segment, segment.end + 1)
        segment.close()
