"""The log of one app: its segments, the order of what comes, and the bound on what is kept."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pushd.kit import procfs
from pushd.kit.clock import Clock
from pushd.kit.crash import crash_point
from pushd.logplex.flood import Allowance
from pushd.logplex.segment import Files, Segment, Stamp

log = logging.getLogger(__name__)

PLATFORM = "platform"  # the segment of lines that the platform says; no dyno can be called so: its name has a number
_SEGMENT_BYTES_MAX, _SEGMENT_BYTES_MIN = 4 << 20, 1 << 16
_SHARES = 8  # of the limit: into so many parts at least it is cut
_SEGMENTS_MAX = 1000
_DROPPED_SHARE = 64  # so much of the limit in stamps of what was dropped
_STEP_BACK_US = 5_000_000  # so far a clock is set back in passing; further only one that was wrong


class AppLog:
    """Thread-safe, and for threads only: every call may wait for the disk. What is on disk is read at the first call.

    `on_growth` is called (in any thread) after bytes became visible. `watch` tells what is dropped.
    """

    def __init__(
        self, folder: Path, clock: Clock, *, limit_bytes: int, on_growth: Callable[[], None], boot_id: str = ""
    ) -> None:
        self.limit_bytes = limit_bytes
        self.allowance = Allowance(clock)
        self.removed = False
        self._folder = folder
        self._boot_id = boot_id or procfs.boot_id()
        self._boot_path = folder / "boot"  # in which boot of the machine this log was read last
        self._clock = clock
        self._on_growth = on_growth
        self._lock = threading.Lock()
        self._loaded = False
        self._segments: list[Segment] = []
        self._dropped: list[Segment] = []  # their stamps are kept: in the order in which they went
        self._watchers: set[Callable[[Segment], None]] = set()
        self._sequence = self._time_us = self._last_number = 0

    @property
    def segment_bytes(self) -> int:
        """When a segment is full: many at a time are smaller ones, so that all together stay within the limit."""
        shares = _SHARES + 2 * sum(each.in_use for each in tuple(self._segments))
        return max(_SEGMENT_BYTES_MIN, min(_SEGMENT_BYTES_MAX, self.limit_bytes // shares))

    def take(self, process: str, fifo: Path | None = None) -> Segment:
        """A segment that the caller alone may append to, until `give_back`; the one that this FIFO has filled, if any.

        Raises: OSError when the disk is full.
        """
        with self._locked():
            return self._take(process, fifo)

    def stamp(self, segment: Segment, files: Files, end: int, lines: int) -> None:
        """Make the segment's bytes up to `end`, with `lines` newlines in all, visible as having come now. Raises: OSError."""
        with self._locked():
            self._stamp(segment, files, end, lines)
        self._on_growth()

    def give_back(self, segment: Segment, *, full: bool = False) -> None:
        """Nothing more comes for it: an unfinished last line is ended. Raises: OSError when the disk is full."""
        with self._locked():
            segment.in_use = False
            segment.sealed = segment.sealed or full
            self._end_line(segment)
            crash_point("log.segment-ended")
            segment.writer_path.unlink(missing_ok=True)
        crash_point("log.segment-left")
        self._on_growth()

    def append(self, lines: Sequence[bytes]) -> None:
        """Add lines of the platform (`source TAB process TAB message`), all or none. Raises: OSError when the disk is full."""
        with self._locked():
            segment = self._take(PLATFORM, None)
            try:
                with segment.open() as files:
                    data = b"".join(line + b"\n" for line in lines)
                    segment.write(files, data)
                    crash_point("log.said")
                    self._stamp(segment, files, segment.end + len(data), segment.last.lines + len(lines))
            finally:
                segment.in_use = False
        self._on_growth()

    def visible(self) -> list[tuple[Segment, Stamp]]:
        """Every segment with the last of its stamps, all at one moment."""
        with self._locked():
            for segment in self._segments:
                if segment.awaits_fifo:
                    self._try(self._end_if_fifo_is_gone, segment)
            return [(segment, segment.last) for segment in self._segments]

    def dropped(self) -> list[Segment]:
        """Those whose bytes are gone, as far back as it is known."""
        with self._locked():
            return list(self._dropped)

    def watch(self, on_drop: Callable[[Segment], None]) -> None:
        """From now on it is called with each segment that is dropped, in any thread; it must not wait."""
        self._watchers.add(on_drop)

    def unwatch(self, on_drop: Callable[[Segment], None]) -> None:
        self._watchers.discard(on_drop)

    def remove(self) -> None:
        """Drop everything, for good: whoever wants to write gets FileNotFoundError."""
        with self._lock:
            self.removed = self._loaded = True
            self._segments, self._dropped = [], []
            shutil.rmtree(self._folder, ignore_errors=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock:
            if not self._loaded:
                self._load()
                self._loaded = True
            yield

    def _take(self, process: str, fifo: Path | None) -> Segment:
        segment = self._left_by(fifo) or self._free(process)
        if segment is None:
            segment = self._new(process)
        elif fifo is None or not _is_filled_by(segment, fifo):
            self._end_line(segment)
        segment.in_use, segment.awaits_fifo = True, False
        if fifo is not None:
            with contextlib.suppress(OSError):  # there already; or a full disk, where a killed daemon may then cut a line
                segment.writer_path.symlink_to(fifo)
        crash_point("log.segment-taken")
        return segment

    def _left_by(self, fifo: Path | None) -> Segment | None:
        mine = [each for each in self._segments if fifo and not each.in_use and not each.sealed and _is_filled_by(each, fifo)]
        return mine[-1] if mine else None  # the newest: a full disk may have kept an older one from being let go

    def _free(self, process: str) -> Segment | None:
        full = self.segment_bytes
        for segment in self._segments:
            usable = segment.process == process and not segment.in_use and not segment.sealed and segment.end < full
            if usable and not segment.writer_path.is_symlink():
                return segment
        return None

    def _new(self, process: str) -> Segment:
        if self.removed:
            raise FileNotFoundError(errno.ENOENT, "the app was destroyed", str(self._folder))
        if not self._folder.exists():
            self._folder.mkdir(parents=True, mode=0o700)
            self._note_boot()
        segment = Segment(self._folder, process, self._last_number + 1)
        with segment.open():
            self._last_number += 1
        crash_point("log.segment-made")
        self._segments.append(segment)
        self._drop_oldest(keep=segment)
        return segment

    def _stamp(self, segment: Segment, files: Files, end: int, lines: int, came_us: int | None = None) -> None:
        now_us = int(self._clock.now().timestamp() * 1_000_000)
        not_before_us = self._time_us if self._time_us <= now_us + _STEP_BACK_US else 1  # nobody needs times to grow
        time_us = max(now_us if came_us is None else min(came_us, now_us), not_before_us)
        segment.stamp(files, Stamp(self._sequence + 1, time_us, end, lines))
        self._sequence, self._time_us = self._sequence + 1, time_us

    def _end_line(self, segment: Segment) -> None:
        with segment.open() as files:
            if segment.line_is_open(files):
                segment.write(files, b"\n")
                self._stamp(segment, files, segment.end + 1, segment.last.lines + 1)

    def _drop_oldest(self, *, keep: Segment) -> None:
        """Make room: what is idle and oldest goes, so that the rest fits even when every one in use is full."""
        full = self.segment_bytes
        idle = sorted((each for each in self._segments if not each.in_use and each is not keep), key=lambda each: each.last)
        total = sum(each.size_bytes for each in idle) + full * (len(self._segments) - len(idle))
        total += self.limit_bytes // _DROPPED_SHARE
        for segment in idle:
            if total <= self.limit_bytes and len(self._segments) <= _SEGMENTS_MAX:
                return
            total -= segment.size_bytes
            self._segments.remove(segment)
            for on_drop in tuple(self._watchers):
                on_drop(segment)
            segment.drop()
            self._dropped.append(segment)
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        while sum(each.stamps_bytes for each in self._dropped) > self.limit_bytes // _DROPPED_SHARE:
            self._dropped.pop(0).forget()

    def _load(self) -> None:
        if os.path.lexists(self._folder) and not self._folder.is_dir():
            self._make_way()
        found = sorted({each.number: each for each in self._files()}.values(), key=lambda each: each.number)
        self._last_number = max((each.number for each in found), default=0)
        boot = self._boot_of_last_reading()
        for segment in found:
            if segment.path.exists():
                self._segments.append(segment)
                self._try(lambda each: self._check(each, every_stamp=boot != self._boot_id), segment)
            elif segment.find_dropped():
                self._dropped.append(segment)
        newest = max((each.last for each in (*self._segments, *self._dropped)), default=Stamp(0, 0, 0, 0))
        self._sequence, self._time_us = newest.sequence, newest.time_us
        for segment in self._segments:
            self._try(lambda each: self._finish(each, fifos_are_empty=boot not in ("", self._boot_id)), segment)
        if self._segments and boot != self._boot_id:
            self._note_boot()

    def _make_way(self) -> None:
        """Something else has the folder's name: it goes into the folder, where a later destruction of the app finds it."""
        aside = self._folder.with_name(f"{self._folder.name}.damaged")
        self._folder.rename(aside)
        self._folder.mkdir(mode=0o700)
        aside.rename(self._folder / "damaged")
        log.warning("made way for a log where something else stood", extra={"path": str(self._folder)})

    def _files(self) -> Iterator[Segment]:
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self._folder):
                if segment := Segment.found(self._folder / name):
                    yield segment

    def _boot_of_last_reading(self) -> str:
        """In another boot than this one the machine has stopped since: the end of what was written may be missing."""
        try:
            return self._boot_path.read_text("ascii", "replace")
        except OSError:
            return ""

    def _note_boot(self) -> None:
        with contextlib.suppress(OSError):  # a full disk: then the next daemon looks at more than it must
            self._boot_path.write_text(self._boot_id)

    def _try(self, work: Callable[[Segment], None], segment: Segment) -> None:
        try:
            work(segment)
        except OSError:  # a full disk: the next daemon tries again
            segment.sealed = True

    def _check(self, segment: Segment, *, every_stamp: bool) -> None:
        with segment.open() as files:
            lost = segment.mend(files, every_stamp=every_stamp)
        if lost is not None:
            log.warning("mended a log that was damaged on the disk", extra={"path": str(segment.path), "lines_lost": lost})

    def _finish(self, segment: Segment, *, fifos_are_empty: bool) -> None:
        """Stamp what a killed daemon had moved and not stamped; end the last line unless its FIFO may bring the rest."""
        with segment.open() as files:
            size = os.fstat(files.data).st_size
            unseen = os.pread(files.data, size - segment.end, segment.end)
            if segment.process == PLATFORM:  # of its lines nobody brings the rest
                unseen = unseen[: unseen.rfind(b"\n") + 1]
                os.ftruncate(files.data, segment.end + len(unseen))
            if unseen:
                came_us = os.fstat(files.data).st_mtime_ns // 1000
                self._stamp(segment, files, segment.end + len(unseen), segment.last.lines + unseen.count(b"\n"), came_us)
        segment.awaits_fifo = not fifos_are_empty and segment.writer_path.is_symlink()
        self._end_if_fifo_is_gone(segment)

    def _end_if_fifo_is_gone(self, segment: Segment) -> None:
        if not segment.awaits_fifo or not segment.writer_path.exists():  # it follows the link
            self._end_line(segment)
            segment.writer_path.unlink(missing_ok=True)
            segment.awaits_fifo = False


def _is_filled_by(segment: Segment, fifo: Path) -> bool:
    try:
        return segment.writer_path.readlink() == fifo
    except OSError:
        return False
