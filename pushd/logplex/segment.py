"""One segment: a file of raw bytes and, beside it, the stamps that say when which of them came.

A stamp is (sequence, microseconds, end): bytes up to `end` that no earlier stamp covers came at that time. Sequences grow by
one with each stamp over all segments of an app, so they order the lines of all its processes. Bytes without a stamp (the
daemon was killed between the two writes) get one when the next daemon opens the segment.
"""

from __future__ import annotations

import os
import re
import struct
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

STAMP = struct.Struct("<QQQ")
_NAME = re.compile(r"(?P<process>.+)~(?P<number>\d+)\.log")
_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Stamps:
    """All stamps of one segment, in order."""

    sequences: tuple[int, ...]
    times: tuple[int, ...]  # microseconds since the epoch
    ends: tuple[int, ...]

    def at(self, end: int) -> tuple[int, int]:
        """Sequence and time of the byte before `end`, such as a line's newline."""
        index = bisect_left(self.ends, end)
        return self.sequences[index], self.times[index]


class Segment:
    """The pair of files. `end` counts the bytes that are stamped, which are those that readers may see."""

    def __init__(self, folder: Path, process: str, number: int) -> None:
        self.process = process
        self.number = number
        self.path = folder / f"{process}~{number}.log"
        self.stamps_path = self.path.with_suffix(".stamps")
        self.end = 0
        self.last_sequence = 0
        self.last_time = 0
        self.in_use = False
        self._files: tuple[int, int] | None = None

    @classmethod
    def found(cls, path: Path) -> Segment | None:
        """The segment whose bytes are at `path`, as an earlier daemon left it; None if that is no segment."""
        match = _NAME.fullmatch(path.name)
        if match is None:
            return None
        segment = cls(path.parent, match["process"], int(match["number"]))
        segment._load()
        return segment

    def open(self) -> tuple[int, int]:
        """The two file descriptors, for bytes and for stamps; opened on demand."""
        if self._files is None:
            data = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)  # splice refuses O_APPEND
            stamps = os.open(self.stamps_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._files = data, stamps
        return self._files

    def close(self) -> None:
        """Let the descriptors go; the segment can be opened again."""
        if self._files is not None:
            for descriptor in self._files:
                os.close(descriptor)
            self._files = None

    def size(self) -> int:
        """Bytes in the file, stamped or not."""
        return os.fstat(self.open()[0]).st_size

    def write(self, data: bytes) -> None:
        """Add bytes after those that are stamped. Raises: OSError when the disk is full; nothing visible was added then."""
        file, offset = self.open()[0], self.end
        view = memoryview(data)
        while view:
            count = os.pwrite(file, view, offset)
            view, offset = view[count:], offset + count

    def stamp(self, sequence: int, time_us: int, end: int) -> None:
        """Make the bytes up to `end` visible. Raises: OSError when the disk is full; they stay invisible then."""
        file = self.open()[1]
        written = os.write(file, STAMP.pack(sequence, time_us, end))
        if written != STAMP.size:  # the disk filled up in the middle of a stamp
            os.ftruncate(file, os.fstat(file).st_size // STAMP.size * STAMP.size)
            raise OSError(28, os.strerror(28))
        self.end, self.last_sequence, self.last_time = end, sequence, time_us

    def ends_with_newline(self) -> bool:
        """Whether the last visible byte ends a line; true for an empty segment."""
        return self.end == 0 or os.pread(self.open()[0], 1, self.end - 1) == b"\n"

    def read(self, start: int, end: int) -> bytes:
        """Visible bytes of a range; raises FileNotFoundError once the segment was dropped."""
        with open(self.path, "rb", buffering=0) as file:
            return os.pread(file.fileno(), end - start, start)

    def line_start(self, offset: int) -> int:
        """Where the line begins that has a byte at `offset` - 1 or ends there: after the newline before it."""
        position = offset
        while position > 0:
            start = max(0, position - _BLOCK_BYTES)
            newline = self.read(start, position).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            position = start
        return 0

    def tail_start(self, lines: int, end: int) -> int:
        """Where the last `lines` whole lines before `end` begin."""
        position, wanted = end, lines + 1
        while position > 0:
            start = max(0, position - _BLOCK_BYTES)
            block = self.read(start, position)
            count = block.count(b"\n")
            if count >= wanted:
                found = len(block)
                for _ in range(wanted):
                    found = block.rindex(b"\n", 0, found)
                return start + found + 1
            wanted -= count
            position = start
        return 0

    def stamps(self) -> Stamps:
        """All stamps up to now."""
        raw = self.stamps_path.read_bytes()
        rows = list(STAMP.iter_unpack(raw[: len(raw) // STAMP.size * STAMP.size]))
        columns = tuple(zip(*rows, strict=True)) if rows else ((), (), ())
        return Stamps(*columns)

    def remove(self) -> None:
        """Drop the segment."""
        self.close()
        self.path.unlink(missing_ok=True)
        self.stamps_path.unlink(missing_ok=True)

    def _load(self) -> None:
        try:
            raw = self.stamps_path.stat().st_size // STAMP.size * STAMP.size
        except FileNotFoundError:
            return
        if raw:
            with open(self.stamps_path, "r+b") as file:
                file.truncate(raw)  # half a stamp of a daemon that was killed
                file.seek(raw - STAMP.size)
                self.last_sequence, self.last_time, self.end = STAMP.unpack(file.read(STAMP.size))
