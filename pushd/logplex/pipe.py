"""Waits for what a dyno writes into its FIFO, and has it moved into the app's log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import Executor

from pushd.kit.aio import Nursery
from pushd.logplex.lines import pieces
from pushd.logplex.mover import Mover, Turn

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.005  # between two turns: more comes together, and fewer wake-ups are needed
_FULL_RETRY_SECONDS = 0.5
_FAILED_RETRY_SECONDS = 5.0
_LAST_TURNS = 16  # what was in the pipe is read by then; more comes only from a program that nobody has ended
_EVIDENCE_BYTES = 1 << 16


class Pipe:
    """One FIFO being read. The work is done in threads of `executor`; the loop only waits until there is some."""

    def __init__(
        self,
        mover: Mover,
        nursery: Nursery,
        executor: Executor,
        *,
        name: str,
        on_lost: Callable[[int], None],
        copy: Callable[[bytes], None] | None = None,
    ) -> None:
        self._mover = mover
        self._executor = executor
        self._name = name
        self._on_lost = on_lost
        self._copy = copy
        self._loop = asyncio.get_running_loop()
        self._readable = asyncio.Event()
        self._stop = asyncio.Event()
        self._ended = False  # whether the stop is the end of the output
        self._task = nursery.start(self._run(), name=f"pipe of {name}")

    async def finish(self) -> None:
        """Read all that is in the pipe, end an unfinished last line, and let the FIFO go. Safe to call twice."""
        self._ended = self._ended or not self._stop.is_set()
        await self._stopped()

    async def leave(self) -> None:
        """Stop reading and let the FIFO go; what waits in it, and the rest of an unfinished line, is for the next daemon."""
        await self._stopped()

    def last_lines(self, count: int) -> list[str]:
        """The last lines that this process wrote, oldest first."""
        found: list[str] = []
        for segment, start, end in reversed(self._mover.parts):
            with contextlib.suppress(FileNotFoundError):  # dropped meanwhile
                data = segment.read(max(start, end - _EVIDENCE_BYTES), end)
                found = [message for message, _, _ in pieces(data if data.endswith(b"\n") else data + b"\n")] + found
            if len(found) >= count:
                break
        return found[-count:] if count > 0 else []

    async def _stopped(self) -> None:
        self._stop.set()
        self._readable.set()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            while not self._stop.is_set():
                await self._until_readable()
                await self._rest(await self._turn())
            if self._ended:
                await self._read_to_the_end()
        finally:
            await asyncio.shield(self._loop.run_in_executor(self._executor, self._close))

    async def _until_readable(self) -> None:
        if self._stop.is_set():
            return
        self._readable.clear()
        self._loop.add_reader(self._mover.descriptor, self._readable.set)
        try:
            await self._readable.wait()
        finally:
            self._loop.remove_reader(self._mover.descriptor)

    async def _turn(self) -> float:
        """Move what is there; gives how long to rest afterwards."""
        try:
            turn = await self._move(last=False)
        except Exception:  # the app would wait for ever if nobody read on
            log.exception("cannot read a dyno's output, trying again", extra={"dyno": self._name})
            return _FAILED_RETRY_SECONDS
        if turn.disk_full:
            return _FULL_RETRY_SECONDS
        return 0 if turn.size_bytes > self._mover.capacity_bytes // 2 else _PAUSE_SECONDS

    async def _read_to_the_end(self) -> None:
        for _ in range(_LAST_TURNS):
            turn = await self._move(last=True)
            if turn.size_bytes == 0 and not turn.lost_lines:
                return

    async def _move(self, *, last: bool) -> Turn:
        turn = await self._loop.run_in_executor(self._executor, lambda: self._mover.turn(last=last))
        if turn.lost_lines:
            self._on_lost(turn.lost_lines)
        if self._copy is not None and turn.copied:
            try:
                self._copy(b"".join(turn.copied))
            except Exception:
                log.exception("cannot copy a dyno's output", extra={"dyno": self._name})
        return turn

    async def _rest(self, seconds: float) -> None:
        if seconds:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stop.wait()

    def _close(self) -> None:
        self._mover.close(ended=self._ended)
