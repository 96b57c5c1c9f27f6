"""One segment: a file of raw bytes and, beside it, the stamps that say when which of them came.

Bytes up to a stamp's `end` that no earlier stamp covers came at its time. Sequences grow by one with each stamp over all
segments of an app, so they order the lines of all its processes; times need not grow: a clock may be set. Bytes without a stamp
(the daemon was killed between the two writes) get one when the next daemon opens the log. No file stays open: idle apps cost no
descriptors.

A killed daemon leaves whole stamps of bytes that are there. A power cut may leave anything: either file shorter than it was, or
with zeros in it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, overload

from pushd.kit.crash import crash_point

_STAMP = struct.Struct("<QQII")
_NAME = re.compile(r"(?P<process>.+)~(?P<number>\d+)\.(log|stamps|writer|dropped)")
_BLOCK_BYTES = 1 << 16
_LAST_STAMPS = 100  # are looked at after a kill
_SEQUENCE_MAX = 1 << 53  # more than any log comes to
_TIME_MAX_US = 1 << 57  # the year 6536: a wrong clock may say much, and a `datetime` knows no year 10000
_END_MAX = (1 << 32) - 1


class Stamp(NamedTuple):
    sequence: int
    time_us: int  # microseconds since the epoch
    end: int  # offset in the segment
    lines: int  # newlines before `end`


@dataclass(frozen=True, slots=True)
class Files:
    """The two descriptors of a segment that is being written."""

    data: int
    stamps: int


class Stamps(Sequence[Stamp]):
    """The stamps of one segment, in order; each is read when it is asked for."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._count = os.fstat(descriptor).st_size // _STAMP.size

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Stamp: ...
    @overload
    def __getitem__(self, index: slice) -> list[Stamp]: ...
    def __getitem__(self, index: int | slice) -> Stamp | list[Stamp]:
        if isinstance(index, int):
            return self._read(index, 1)[0]
        start, stop, _ = index.indices(self._count)
        return self._read(start, max(0, stop - start))

    def covering(self, start: int, end: int) -> list[Stamp]:
        """Those that say when the bytes from `start` to `end` came."""
        first = bisect_left(self, start + 1, key=lambda stamp: stamp.end)
        return self[first : bisect_left(self, end, lo=first, key=lambda stamp: stamp.end) + 1]

    def _read(self, index: int, count: int) -> list[Stamp]:
        raw = os.pread(self._descriptor, count * _STAMP.size, index * _STAMP.size)
        return [Stamp(*fields) for fields in _STAMP.iter_unpack(raw)]


class Segment:
    """The pair of files. What `last` covers is what readers may see."""

    __slots__ = (
        "_stamp_count", "awaits_fifo", "dropped_path", "in_use", "last", "number", "path", "process", "sealed", "stamps_path",
        "writer_path",
    )  # fmt: skip

    def __init__(self, folder: Path, process: str, number: int) -> None:
        self.process = process
        self.number = number
        self.path = folder / f"{process}~{number}.log"
        self.stamps_path = self.path.with_suffix(".stamps")
        self.writer_path = self.path.with_suffix(".writer")  # a link to the FIFO that fills it, for a later daemon
        self.dropped_path = self.path.with_suffix(".dropped")  # what its stamps are called once its bytes are gone
        self.last = Stamp(0, 0, 0, 0)
        self._stamp_count = 0
        self.in_use = False  # somebody appends to it
        self.awaits_fifo = False  # a FIFO filled it when a daemon ended, and this one has not opened it yet
        self.sealed = False  # nobody may append to it any more

    @classmethod
    def found(cls, path: Path) -> Segment | None:
        """The segment that this file belongs to, as an earlier daemon left it, before `mend`; None if it belongs to none."""
        match = _NAME.fullmatch(path.name)
        return cls(path.parent, match["process"], int(match["number"])) if match else None

    @property
    def end(self) -> int:
        """Bytes that are stamped."""
        return self.last.end

    @property
    def size_bytes(self) -> int:
        """What it takes on the disk."""
        return self.last.end + self.stamps_bytes

    @property
    def stamps_bytes(self) -> int:
        return self._stamp_count * _STAMP.size

    @contextlib.contextmanager
    def open(self) -> Iterator[Files]:
        """Its files for writing, created if they are not there."""
        data = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)  # splice refuses O_APPEND
        try:
            stamps = os.open(self.stamps_path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                yield Files(data, stamps)
            finally:
                os.close(stamps)
        finally:
            os.close(data)

    def write(self, files: Files, data: bytes) -> None:
        """Put bytes behind those that are stamped. Raises: OSError when the disk is full; nothing visible was added then."""
        write_at(files.data, data, self.end)

    def stamp(self, files: Files, stamp: Stamp) -> None:
        """Make the bytes up to the stamp's end visible. Raises: OSError when the disk is full; they stay invisible then."""
        if os.write(files.stamps, _STAMP.pack(*stamp)) != _STAMP.size:  # the disk filled up in the middle of a stamp
            os.ftruncate(files.stamps, os.fstat(files.stamps).st_size // _STAMP.size * _STAMP.size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.last = stamp
        self._stamp_count += 1

    def line_is_open(self, files: Files) -> bool:
        """Whether the last visible byte leaves its line unfinished."""
        return self.end > 0 and os.pread(files.data, 1, self.end - 1) != b"\n"

    @contextlib.contextmanager
    def stamps(self) -> Iterator[Stamps]:
        """All stamps. Raises: FileNotFoundError once the segment was dropped."""
        with open(self.stamps_path, "rb", buffering=0) as file:
            yield Stamps(file.fileno())

    def read(self, start: int, end: int) -> bytes:
        """Visible bytes of a range. Raises: FileNotFoundError once the segment was dropped."""
        with open(self.path, "rb", buffering=0) as file:
            return os.pread(file.fileno(), end - start, start)

    def line_start(self, offset: int) -> int:
        """Where the line begins that is unfinished at `offset`: behind the newline before it."""
        position = offset
        while position > 0:
            start = max(0, position - _BLOCK_BYTES)
            newline = self.read(start, position).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            position = start
        return 0

    def drop(self) -> None:
        """Remove the bytes; the stamps stay, to count what a reader misses that comes back. Whoever reads it now reads on."""
        self.path.unlink(missing_ok=True)  # the first: bytes without stamps would be taken for new ones
        crash_point("log.drop-begun")
        with contextlib.suppress(FileNotFoundError):
            self.stamps_path.rename(self.dropped_path)
        self.writer_path.unlink(missing_ok=True)

    def find_dropped(self) -> bool:
        """Of one whose bytes an earlier daemon dropped: what it held. False if that is not known, and forgotten now."""
        self.drop()  # that one may have been killed in the middle of it
        with contextlib.suppress(OSError), open(self.dropped_path, "rb", buffering=0) as file:
            stamps = Stamps(file.fileno())
            newest = stamps[max(0, len(stamps) - _LAST_STAMPS) :]
            if _sound(newest) < len(newest):
                self.forget()
                return False
            self._stamp_count = len(stamps)
            self.last = newest[-1] if newest else self.last
        return True

    def lines_after(self, sequence: int) -> int:
        """How many lines of one that was dropped came with later stamps than this one."""
        try:
            with open(self.dropped_path, "rb", buffering=0) as file:
                stamps = Stamps(file.fileno())
                before = bisect_right(stamps, sequence, key=lambda stamp: stamp.sequence)
                return self.last.lines - (stamps[before - 1].lines if before else 0)
        except OSError:
            return 0  # forgotten just now

    def forget(self) -> None:
        """Remove what is left of one that was dropped."""
        self.dropped_path.unlink(missing_ok=True)

    def mend(self, files: Files, *, every_stamp: bool) -> int | None:
        """Drop what is wrong among the stamps, with all behind it; gives how many lines are gone, None if nothing was wrong.

        After a power cut `every_stamp` has to be looked at; else the last ones do, which a full disk may have cut.
        """
        size, stamps_size = os.fstat(files.data).st_size, os.fstat(files.stamps).st_size
        start = 0 if every_stamp else max(0, stamps_size // _STAMP.size - _LAST_STAMPS)
        whole = stamps_size // _STAMP.size - start
        raw = os.pread(files.stamps, whole * _STAMP.size, start * _STAMP.size)
        found = [Stamp(*fields) for fields in _STAMP.iter_unpack(raw)]
        count = start + _sound(found, size)
        if count < start + whole and start > 0:
            return self.mend(files, every_stamp=True)
        os.ftruncate(files.stamps, count * _STAMP.size)
        self._stamp_count = count
        self.last = found[count - start - 1] if count else Stamp(0, 0, 0, 0)
        if count * _STAMP.size == stamps_size:
            return None
        kept = self.last.lines + os.pread(files.data, size - self.end, self.end).count(b"\n")
        told = _sound(found)  # these may be true, but their bytes are gone
        return max(0, found[told - 1].lines - kept) if told else 0


def _sound(stamps: Sequence[Stamp], size: int = _END_MAX) -> int:
    """How many stamps, from the first on, can be true of a segment of that size: each comes after the one before."""
    count = sequence = end = lines = 0
    for later in stamps:
        grows = sequence < later.sequence < _SEQUENCE_MAX and end < later.end <= size and lines <= later.lines <= later.end
        if not grows or not 0 < later.time_us < _TIME_MAX_US:  # what was never written reads as zeros
            break
        sequence, _, end, lines = later
        count += 1
    return count


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    """All of `data` at that offset. Raises: OSError when the disk is full."""
    view = memoryview(data)
    while view:
        count = os.pwrite(descriptor, view, offset)
        view, offset = view[count:], offset + count
