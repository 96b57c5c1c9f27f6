"""One segment: a file of raw bytes and, beside it, the stamps that say when which of them came.

Bytes up to a stamp's `end` that no earlier stamp covers came at its time. Sequences grow by one with each stamp over all
segments of an app, so they order the lines of all its processes. Bytes without a stamp (the daemon was killed between the two
writes) get one when the next daemon opens the log. No file stays open: idle apps cost no descriptors.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, overload

_STAMP = struct.Struct("<QQII")
_NAME = re.compile(r"(?P<process>.+)~(?P<number>\d+)\.log")
_BLOCK_BYTES = 1 << 16


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

    __slots__ = ("_stamp_count", "in_use", "last", "number", "path", "process", "sealed", "stamps_path", "writer_path")

    def __init__(self, folder: Path, process: str, number: int) -> None:
        self.process = process
        self.number = number
        self.path = folder / f"{process}~{number}.log"
        self.stamps_path = self.path.with_suffix(".stamps")
        self.writer_path = self.path.with_suffix(".writer")  # a link to the FIFO that fills it, for a later daemon
        self.last = Stamp(0, 0, 0, 0)
        self._stamp_count = 0
        self.in_use = False  # somebody appends to it
        self.sealed = False  # nobody may append to it any more

    @classmethod
    def found(cls, path: Path) -> Segment | None:
        """The segment whose bytes are at `path`, as an earlier daemon left it; None if that is no segment."""
        match = _NAME.fullmatch(path.name)
        if match is None:
            return None
        segment = cls(path.parent, match["process"], int(match["number"]))
        with segment.open() as files:
            segment._drop_torn_stamps(files)
        return segment

    @property
    def end(self) -> int:
        """Bytes that are stamped."""
        return self.last.end

    @property
    def size_bytes(self) -> int:
        """What it takes on the disk."""
        return self.last.end + self._stamp_count * _STAMP.size

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

    def remove(self) -> None:
        """Drop the segment; whoever reads it right now reads on."""
        for path in (self.path, self.stamps_path, self.writer_path):
            path.unlink(missing_ok=True)

    def _drop_torn_stamps(self, files: Files) -> None:
        """Keep whole stamps of bytes that are there: a kill or a power cut may have left others."""
        stamps, size = Stamps(files.stamps), os.fstat(files.data).st_size
        count = len(stamps)
        while count and stamps[count - 1].end > size:
            count -= 1
        os.ftruncate(files.stamps, count * _STAMP.size)
        self._stamp_count = count
        if count:
            self.last = stamps[count - 1]


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    """All of `data` at that offset. Raises: OSError when the disk is full."""
    view = memoryview(data)
    while view:
        count = os.pwrite(descriptor, view, offset)
        view, offset = view[count:], offset + count
