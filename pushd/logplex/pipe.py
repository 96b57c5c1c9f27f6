"""Moves what a dyno writes from its FIFO into a segment, by splice(2)."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import termios
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from pushd.logplex.applog import AppLog
from pushd.logplex.lines import messages
from pushd.logplex.segment import Segment

_SPLICE_BYTES = 1 << 20  # all that a pipe can hold
_TURN_BYTES = 4 << 20  # so much at most before other pipes get their turn
_PAUSE_SECONDS = 0.005  # between two turns of a busy pipe: more comes together, and fewer wake-ups are needed
_FULL_RETRY_SECONDS = 0.5
_KEPT_SHARE = 0.75  # of a pipe's capacity, while the disk is full (DESIGN section 12)


class Pipe:
    """One FIFO being read. The work is done in threads of `executor`; the loop only waits until there is some."""

    def __init__(
        self,
        log: AppLog,
        process: str,
        fifo: Path,
        executor: Executor,
        *,
        on_lost: Callable[[int], None],
        copy: Callable[[bytes], None] | None = None,
    ) -> None:
        self._log = log
        self._executor = executor
        self._on_lost = on_lost
        self._copy = copy
        self._loop = asyncio.get_running_loop()
        self._segment = log.take(process)
        self._first, self._from = self._segment, self._segment.end
        self._moved = self._segment.end  # end of the bytes moved, stamped or not
        self._fifo = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._timer: asyncio.TimerHandle | None = None
        self._turn: asyncio.Future[None] | None = None
        self._finished = False
        self._wait()

    async def finish(self) -> None:
        """Read all that is in the pipe, end an unfinished last line, and let the FIFO go. Safe to call twice."""
        if self._finished:
            return
        self._finished = True
        self._stop_waiting()
        if self._turn is not None:
            await asyncio.wait({self._turn})
        while await self._run_turn(last=True):
            pass
        await self._loop.run_in_executor(self._executor, self._end)

    def last_lines(self, count: int) -> list[str]:
        """The last lines that this process wrote, oldest first."""
        segment = self._segment
        floor = self._from if segment is self._first else 0
        try:
            start = max(floor, segment.tail_start(count, segment.end))
            data = segment.read(start, segment.end)
        except FileNotFoundError:
            return []
        return [text for line in data.splitlines() for text in messages(line)][-count:]

    def _wait(self) -> None:
        self._timer = None
        if not self._finished:
            self._loop.add_reader(self._fifo, self._on_readable)

    def _stop_waiting(self) -> None:
        self._loop.remove_reader(self._fifo)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_readable(self) -> None:
        self._loop.remove_reader(self._fifo)
        self._turn = asyncio.ensure_future(self._take_turn())

    async def _take_turn(self) -> None:
        try:
            more = await self._run_turn(last=False)
            pause = _PAUSE_SECONDS
        except OSError:
            more, pause = True, _FULL_RETRY_SECONDS
        if more and not self._finished:
            self._timer = self._loop.call_later(pause, self._wait)

    async def _run_turn(self, *, last: bool) -> bool:
        """Move what is there now; False when nothing more can come."""
        more, copied, lost = await self._loop.run_in_executor(self._executor, self._move, last)
        if copied and self._copy is not None:
            self._copy(copied)
        if lost:
            self._on_lost(lost)
        return more

    def _move(self, last: bool) -> tuple[bool, bytes, int]:
        """In a thread: (whether to come again, the bytes if a copy is wanted, lines dropped)."""
        copied: list[bytes] = []
        total = 0
        try:
            if self._moved > self._segment.end:  # moved while there was no room for the stamp
                self._segment = self._stamped(copied, self._segment.end)
            while total < _TURN_BYTES:
                count = os.splice(
                    self._fifo, self._segment.open()[0], _SPLICE_BYTES, offset_dst=self._moved, flags=os.SPLICE_F_NONBLOCK
                )
                if count == 0:
                    return False, b"".join(copied), 0
                total += count
                start, self._moved = self._moved, self._moved + count
                self._segment = self._stamped(copied, start)
        except BlockingIOError:
            return not last, b"".join(copied), 0
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return not last, b"".join(copied), self._drop_if_crowded(last)
        return True, b"".join(copied), 0

    def _stamped(self, copied: list[bytes], start: int) -> Segment:
        segment, end = self._segment, self._moved
        following = self._log.stamp(segment, end)
        if self._copy is not None:
            copied.append(segment.read(start, end))
        if following is not segment:
            self._moved = following.end
        return following

    def _drop_if_crowded(self, last: bool) -> int:
        """The disk is full: keep what fits into the pipe, make room in it once it is crowded; counts lines dropped."""
        waiting = int.from_bytes(fcntl.ioctl(self._fifo, termios.FIONREAD, b"\0\0\0\0"), "little")
        if not last and waiting < _KEPT_SHARE * fcntl.fcntl(self._fifo, fcntl.F_GETPIPE_SZ):
            return 0
        lost = 0
        while waiting > 0 and (data := os.read(self._fifo, min(waiting, _SPLICE_BYTES))):
            lost += data.count(b"\n")
            waiting -= len(data)
        return lost

    def _end(self) -> None:
        os.close(self._fifo)
        try:
            self._log.give_back(self._segment)
        except OSError:
            return  # a full disk: the line is ended when the segment is opened again
