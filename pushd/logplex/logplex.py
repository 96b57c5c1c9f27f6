"""The logplex of one daemon: a log per app, pipes into it, tails out of it, and the platform's own lines."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TypeVar
from uuid import UUID

from pushd.kit.aio import Nursery
from pushd.kit.clock import Clock
from pushd.layout import Layout
from pushd.logplex.applog import AppLog
from pushd.logplex.pipe import Pipe
from pushd.logplex.tail import Reader, Wanted
from pushd.model.logline import PLATFORM, LogLine

log = logging.getLogger(__name__)
T = TypeVar("T")

LINES_MAX = 1500  # shown at once (PEERS 4.13); more is kept on disk
_QUEUE_LINES = 10_000
_HEARTBEAT_SECONDS = 20.0
_THREADS = 2


class Logplex:
    """An async context manager: leaving it writes what was said and ends the tails."""

    def __init__(self, layout: Layout, clock: Clock, *, limit_bytes: int = 64 << 20) -> None:
        self._layout = layout
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._limits: dict[UUID, int] = {}
        self._logs: dict[UUID, AppLog] = {}
        self._tails: dict[UUID, set[asyncio.Event]] = {}
        self._said: deque[tuple[UUID, bytes]] = deque()
        self._lost: dict[UUID, tuple[int, datetime]] = {}  # lines dropped and since when, until a line can say so
        self._to_write = asyncio.Event()
        self._written = asyncio.Event()
        self._closed = False
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="logplex")
        self._nursery = Nursery("logplex")

    async def __aenter__(self) -> Logplex:
        self._loop = asyncio.get_running_loop()
        self._nursery.keep(self._write_said, name="platform lines")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.flush()
        self._closed = True
        for app_id in list(self._tails):
            self._wake(app_id)
        await self._nursery.close()
        self._executor.shutdown()
        for each in self._logs.values():
            each.close()

    def set_limit(self, app_id: UUID, limit_bytes: int) -> None:
        """Bound what is kept of one app (its setting log-limit-mb)."""
        self._limits[app_id] = limit_bytes
        if app_id in self._logs:
            self._logs[app_id].limit_bytes = limit_bytes

    def open(
        self, app_id: UUID, process: str, dyno_id: UUID, fifo: Path, *, copy: Callable[[bytes], None] | None = None
    ) -> Pipe:
        """Read a dyno's FIFO into the app's log until `finish()`; `copy` gets the same bytes, in order."""
        return Pipe(
            self._log(app_id), process, fifo, self._executor, copy=copy, on_lost=lambda count: self._lose(app_id, count)
        )

    def say(self, app_id: UUID, source: str, process: str, message: str) -> None:
        """Add lines of the platform; never waits: when too many are waiting the oldest are dropped and counted."""
        for line in message.splitlines() or [""]:
            if len(self._said) >= _QUEUE_LINES:
                self._lose(self._said.popleft()[0], 1)
            self._said.append((app_id, b"\t".join((source.encode(), process.encode(), line.encode("utf-8", "replace")))))
        self._written.clear()
        self._to_write.set()

    async def flush(self) -> None:
        """Return once everything said so far is in the log (or the disk refused it)."""
        if self._said:
            self._to_write.set()
            await self._written.wait()

    async def tail(
        self,
        app_id: UUID,
        *,
        lines: int = 100,
        process: str | None = None,
        source: str | None = None,
        follow: bool = False,
        after: str | None = None,
    ) -> AsyncIterator[LogLine | None]:
        """The last `lines` (at most LINES_MAX), or all after the id `after`, then with `follow` the new ones as they come.

        Shape:   oldest first; None is a moment of silence in which to send a heartbeat.
        Loss:    a reader that is slower than what is kept gets an L11 line that counts what it missed.
        """
        await self.flush()
        reader = Reader(self._log(app_id), Wanted(process, source))
        grown = asyncio.Event()
        self._tails.setdefault(app_id, set()).add(grown)
        reader.start()
        try:
            sought = after is not None and await self._in_thread(reader.seek, after)
            batch = [] if sought else await self._in_thread(reader.last, min(max(lines, 0), LINES_MAX))
            while True:
                for line in batch:
                    yield line
                grown.clear()
                ended = self._closed or not follow or app_id not in self._logs
                batch = await self._in_thread(reader.new) if follow or sought else []
                if reader.missed:
                    batch.insert(0, self._missed(reader))
                if not batch and ended:
                    return
                if not batch and await self._silent(grown):
                    yield None
        finally:
            reader.stop()
            self._tails.get(app_id, set()).discard(grown)

    async def destroy(self, app_id: UUID) -> None:
        """Forget the app's log and end its tails; its folder is removed."""
        found = self._logs.pop(app_id, None)
        self._limits.pop(app_id, None)
        self._wake(app_id)
        if found is not None:
            for segment, _ in found.visible():
                await self._in_thread(segment.remove)

    def _log(self, app_id: UUID) -> AppLog:
        found = self._logs.get(app_id)
        if found is None:
            found = self._logs[app_id] = AppLog(
                self._layout.logs(app_id),
                self._clock,
                limit_bytes=self._limits.get(app_id, self._limit_bytes),
                on_growth=lambda: self._grow(app_id),
            )
        return found

    def _grow(self, app_id: UUID) -> None:
        """Called in a thread: bytes of this app became visible."""
        if self._tails.get(app_id):
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._wake, app_id)

    def _wake(self, app_id: UUID) -> None:
        for event in self._tails.get(app_id, ()):
            event.set()

    async def _write_said(self) -> None:
        while True:
            await self._to_write.wait()
            self._to_write.clear()
            batches: dict[UUID, list[bytes]] = {}
            while self._said:
                app_id, line = self._said.popleft()
                batches.setdefault(app_id, self._loss_line(app_id)).append(line)
            for app_id, batch in batches.items():
                try:
                    await self._in_thread(self._log(app_id).write_platform, batch)
                except OSError as error:
                    log.warning("log lines dropped", extra={"app": str(app_id), "lines": len(batch), "cause": str(error)})
                    self._lose(app_id, len(batch))
            if not self._said:
                self._written.set()

    def _lose(self, app_id: UUID, count: int) -> None:
        lost, since = self._lost.get(app_id, (0, self._clock.now()))
        self._lost[app_id] = lost + count, since

    def _loss_line(self, app_id: UUID) -> list[bytes]:
        if app_id not in self._lost:
            return []
        count, since = self._lost.pop(app_id)
        text = f"Error L12 (Local buffer overflow) -> {count} messages dropped since {since.isoformat(timespec='seconds')}."
        return [b"\t".join((PLATFORM.encode(), b"logplex", text.encode()))]

    def _missed(self, reader: Reader) -> LogLine:
        count, reader.missed = reader.missed, 0
        text = f"Error L11 (Tail buffer overflow) -> This tail was too slow: {count} messages dropped."
        return LogLine(datetime.now(UTC), PLATFORM, "logplex", text)

    async def _silent(self, grown: asyncio.Event) -> bool:
        try:
            await asyncio.wait_for(grown.wait(), _HEARTBEAT_SECONDS)
        except TimeoutError:
            return True
        return False

    async def _in_thread(self, work: Callable[..., T], *args: object) -> T:
        return await self._loop.run_in_executor(self._executor, work, *args)
