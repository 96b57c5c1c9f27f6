"""Moves what waits in one FIFO into segments by splice(2), which neither loses nor repeats a byte when it is killed.

For threads: every call may wait for the disk. A program that writes faster than its bytes are moved waits, as at any pipe; if
its app has a limit of lines, those above it are dropped instead. A full disk is no failure: bytes stay in the pipe, and once
that is crowded lines are dropped, so that the program goes on. What is dropped is whole lines, and they are counted.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import termios
import threading
from dataclasses import dataclass, field
from pathlib import Path

from pushd.kit.crash import crash_point
from pushd.kit.peek import peeking
from pushd.logplex.applog import AppLog
from pushd.logplex.flood import Share, lines_begun, plan_share
from pushd.logplex.lines import whole_characters
from pushd.logplex.segment import Files, Segment, write_at

_SPLICE_BYTES = 1 << 20  # all that a pipe can hold
_TURN_BYTES = 4 << 20  # so much at most before other pipes get their turn
_OVER_BYTES = 1 << 16  # so much longer than it should be a segment may get, to end with a whole line
_KEPT_SHARE = 0.75  # of a pipe's capacity, while the disk is full
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(slots=True)
class Turn:
    """What one turn did."""

    size_bytes: int = 0  # taken out of the pipe
    copied: list[bytes] = field(default_factory=list)  # the bytes, if a copy is wanted
    lost_lines: int = 0
    disk_full: bool = False


class Mover:
    """One FIFO and the segment that it fills. Open for writing too, so that it has no end: its writers come and go."""

    def __init__(self, log: AppLog, process: str, fifo: Path, *, copying: bool) -> None:
        self.descriptor = os.open(fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.capacity_bytes = fcntl.fcntl(self.descriptor, fcntl.F_GETPIPE_SZ)
        self.parts: list[tuple[Segment, int, int]] = []  # where its last output stands: segment, start, end
        self._log = log
        self._process = process
        self._fifo = fifo
        self._copying = copying
        self._lock = threading.Lock()  # a turn and the end may meet when a task was cancelled
        self._closed = False
        self._segment: Segment | None = None
        self._moved = 0  # end of what was moved into the segment, stamped or not
        self._cut = False  # on a full disk something was dropped behind what the segment ends with
        self._skips = False  # so was the beginning of the line that the pipe begins with: the rest of it goes too

    def turn(self, *, last: bool = False) -> Turn:
        """Move what waits now, at most some MB. With `last` nothing is left for later on a full disk."""
        turn = Turn()
        with self._lock:
            if self._closed:
                return turn
            try:
                while turn.size_bytes < _TURN_BYTES:
                    self._fill(turn, last=last)
            except BlockingIOError:
                pass  # the pipe is empty
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                turn.disk_full = True
                if last or self._is_crowded():
                    self._drop(turn, last=last)
        return turn

    def close(self, *, ended: bool) -> None:
        """Let the FIFO go. When it has `ended` its last line is ended too; else a later daemon goes on right there."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            os.close(self.descriptor)
            if self._segment is None:
                return
            try:
                with self._segment.open() as files:
                    self._stamp(files, Turn())
                if ended:
                    self._log.give_back(self._segment)
                else:
                    self._segment.in_use, self._segment.awaits_fifo = False, True
            except OSError:  # a full disk: the next daemon stamps what was moved, and ends the line
                self._segment.sealed, self._segment.in_use = True, False

    def _fill(self, turn: Turn, *, last: bool) -> None:
        """Move until the segment is full or the turn is over. Raises: BlockingIOError once nothing is left to move."""
        if self._segment is None:
            self._segment = self._log.take(self._process, self._fifo)
            self._moved = self._segment.end
            self.parts = [*self.parts[-1:], (self._segment, self._moved, self._moved)]
        full = self._log.segment_bytes
        with self._segment.open() as files:
            self._end_cut_line(files)
            self._stamp(files, turn)
            if self._skips:
                self._skip(turn)
            while self._moved < full:
                if self._log.allowance.lines_per_second is None:
                    self._splice(files, min(_SPLICE_BYTES, full - self._moved))
                    self._stamp(files, turn)
                else:
                    self._move_allowed(files, turn, last=last)
                if turn.size_bytes >= _TURN_BYTES:
                    return
            try:
                self._end_line(files, full + _OVER_BYTES)
            finally:
                self._stamp(files, turn)
        segment, self._segment = self._segment, None
        self._log.give_back(segment, full=True)

    def _splice(self, files: Files, count: int) -> int:
        moved = os.splice(
            self.descriptor, files.data, count, offset_dst=self._moved, flags=os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE
        )
        self._moved += moved
        return moved

    def _splice_all(self, files: Files, count: int) -> None:
        while count > 0:
            count -= self._splice(files, count)

    def _move_allowed(self, files: Files, turn: Turn, *, last: bool) -> None:
        """Move the next lines that the app may write now, and drop those that it may not."""
        with peeking() as peek:
            data = peek.look(self.descriptor)
        line_is_open = self._line_is_open(files)
        allowed = self._log.allowance.take(lines_begun(data, line_is_open=line_is_open))
        share = plan_share(data, allowed, line_is_open=line_is_open)
        if share.kept_bytes + share.dropped_bytes == 0:
            if not last:
                raise BlockingIOError  # until the line is whole, or the second over
            share = Share(len(data), 0, 0)  # nobody ends it any more
        try:
            self._splice_all(files, share.kept_bytes)
        finally:
            self._stamp(files, turn)
        turn.size_bytes += self._discard(share.dropped_bytes)
        turn.lost_lines += share.dropped_lines

    def _discard(self, count: int) -> int:
        """Take so many bytes out of the pipe; a program that waits for room goes on."""
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            left = count
            while left > 0:
                left -= os.splice(self.descriptor, nowhere, left, flags=os.SPLICE_F_NONBLOCK)
            return count
        finally:
            os.close(nowhere)

    def _end_line(self, files: Files, at_most: int) -> None:
        """The rest of the last line belongs into this segment too, and not a byte more; too long a rest is cut."""
        with peeking() as peek:
            while self._line_is_open(files):
                data = peek.look(self.descriptor)
                line = data[: data.find(b"\n") + 1] or data
                room = at_most - self._moved
                if len(line) <= room:
                    self._splice_all(files, len(line))
                else:
                    self._splice_all(files, whole_characters(line[: max(room, 0)]))
                    return

    def _line_is_open(self, files: Files) -> bool:
        return self._moved > 0 and os.pread(files.data, 1, self._moved - 1) != b"\n"

    def _stamp(self, files: Files, turn: Turn) -> None:
        assert self._segment is not None
        start = self._segment.end
        if self._moved == start:
            return
        crash_point("log.moved")
        data = os.pread(files.data, self._moved - start, start)
        self._log.stamp(self._segment, files, self._moved, self._segment.last.lines + data.count(b"\n"))
        self.parts[-1] = (*self.parts[-1][:2], self._moved)
        turn.size_bytes += len(data)
        crash_point("log.stamped")
        if self._copying:
            turn.copied.append(data)

    def _is_crowded(self) -> bool:
        """Whether writers wait, or soon will. Small writes take a page each, so that few bytes can fill a pipe."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLOUT)
        return not poll.poll(0) or self._waiting_bytes() >= _KEPT_SHARE * self.capacity_bytes

    def _waiting_bytes(self) -> int:
        return int.from_bytes(fcntl.ioctl(self.descriptor, termios.FIONREAD, b"\0\0\0\0"), "little")

    def _drop(self, turn: Turn, *, last: bool) -> None:
        """Take lines out of the pipe. The beginning of one waits on if its end may come, unless it alone is too much."""
        with peeking() as peek, contextlib.suppress(BlockingIOError):
            while turn.size_bytes < _TURN_BYTES:
                data = peek.look(self.descriptor)
                lines = data[: data.rfind(b"\n") + 1]
                if not lines and not last and not self._is_crowded():
                    return
                turn.lost_lines += (lines.count(b"\n") or 1) - self._skips
                self._cut, self._skips = True, not lines
                turn.size_bytes += self._discard(len(lines) or len(data))

    def _skip(self, turn: Turn) -> None:
        """Drop the rest of a line whose beginning was dropped. Raises: BlockingIOError if it has not come yet."""
        with peeking() as peek:
            while self._skips:
                data = peek.look(self.descriptor)
                end = data.find(b"\n") + 1
                turn.size_bytes += self._discard(end or len(data))
                self._skips = not end

    def _end_cut_line(self, files: Files) -> None:
        """There is room again: end the line whose end was dropped."""
        if self._cut and self._line_is_open(files):
            write_at(files.data, b"\n", self._moved)
            self._moved += 1
        self._cut = False
