"""The logplex of one daemon: a log per app, pipes into it, tails out of it, and the platform's own lines."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TypeVar
from uuid import UUID
from weakref import WeakSet

from pushd.kit.aio import Nursery
from pushd.kit.clock import Clock
from pushd.layout import Layout
from pushd.logplex.applog import AppLog
from pushd.logplex.mover import Mover
from pushd.logplex.pipe import Pipe
from pushd.logplex.platform import PlatformLines
from pushd.logplex.tail import Reader, Wanted
from pushd.model.logline import PLATFORM, LogLine

T = TypeVar("T")

LINES_MAX = 1500  # shown at once, as on Heroku; more is kept on disk
_HEARTBEAT_SECONDS = 20.0
_LAST_READ_SECONDS = 1.0  # for tails, when the daemon ends
_THREADS = 2  # for writing, and as many for reading: readers never keep writers waiting
_BATCH_LINES = 1000
_PACE_SECONDS = 0.0005  # per tail of an app: how long each lets lines gather; 200 tails: a tenth of a second


class Logplex:
    """An async context manager: leaving it writes what was said, leaves the FIFOs to the next daemon, and ends the tails."""

    def __init__(self, layout: Layout, clock: Clock, *, limit_bytes: int = 64 << 20) -> None:
        self._layout = layout
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._limits: dict[UUID, tuple[int, int | None]] = {}
        self._logs: dict[UUID, AppLog] = {}
        self._pipes: dict[UUID, WeakSet[Pipe]] = {}
        self._tails: dict[UUID, set[asyncio.Event]] = {}
        self._tail_ended = asyncio.Event()
        self._closed = self._gone = False
        self._writers = _threads("logplex-write")
        self._readers = _threads("logplex-read")
        self._platform = PlatformLines(self._append, clock)
        self._nursery = Nursery("logplex")

    async def __aenter__(self) -> Logplex:
        self._loop = asyncio.get_running_loop()
        self._nursery.keep(self._platform.run, name="platform lines")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()
        await self._platform.flush()
        self._closed = True
        for app_id in self._tails:
            self._wake(app_id)
        with contextlib.suppress(TimeoutError):  # somebody holds on to a tail and does not read it
            async with asyncio.timeout(_LAST_READ_SECONDS):
                await self._tails_ended()
        self._gone = True
        await self._nursery.close()
        self._writers.shutdown()
        self._readers.shutdown()

    async def leave(self) -> None:
        """Let the FIFOs of all dynos go; what waits in them, and the rest of a line, is for whoever opens them next."""
        for app_id in list(self._pipes):
            await self._leave_pipes(app_id)

    def set_limit(self, app_id: UUID, limit_bytes: int, *, lines_per_second: int | None = None) -> None:
        """Bound what is kept of one app (its setting log-limit-mb), and what may come (log-lines-per-second; None: anything).

        The surplus on the disk goes with the next segment. Lines above the rate are dropped whole and counted (L12).
        """
        self._limits[app_id] = (limit_bytes, lines_per_second)
        if app_id in self._logs:
            self._bound(app_id)

    def open(
        self, app_id: UUID, process: str, dyno_id: UUID, fifo: Path, *, copy: Callable[[bytes], None] | None = None
    ) -> Pipe:
        """Read a dyno's FIFO into the app's log until `finish()`; `copy` gets the same bytes, in order.

        Raises: OSError when the FIFO cannot be opened.
        """
        mover = Mover(self._log(app_id), process, fifo, copying=copy is not None)
        pipe = Pipe(
            mover,
            self._nursery,
            self._writers,
            name=f"{process} {dyno_id}",
            on_lost=lambda count: self._platform.lose(app_id, count),
            copy=copy,
        )
        self._pipes.setdefault(app_id, WeakSet()).add(pipe)
        return pipe

    def say(self, app_id: UUID, source: str, process: str, message: str) -> None:
        """Add lines of the platform; never waits: when too many are waiting the oldest are dropped and counted."""
        if not self._log(app_id).removed:
            self._platform.say(app_id, source, process, message)

    async def flush(self) -> None:
        """Return once everything said so far is in the log (or the disk refused it)."""
        await self._platform.flush()

    async def tail(
        self,
        app_id: UUID,
        *,
        lines: int = 100,
        process: str | None = None,
        source: str | None = None,
        follow: bool = False,
        after: str | None = None,
    ) -> AsyncIterator[Sequence[LogLine]]:
        """The last `lines` (at most LINES_MAX), or all after the id `after`, then with `follow` the new ones as they come.

        Shape:   some lines at a time, oldest first; none are a moment of silence in which to send a heartbeat.
        Loss:    a reader that is slower than what is kept gets an L11 line that counts what it missed.
        """
        await self.flush()
        log = self._log(app_id)
        reader = Reader(log, Wanted(process, source))
        tails = self._tails.setdefault(app_id, set())
        grown = asyncio.Event()
        tails.add(grown)
        try:
            sought = after is not None and await self._read(reader.seek, after)
            batch = [] if sought else await self._read(reader.last, min(max(lines, 0), LINES_MAX))
            since = self._clock.now()
            while True:
                for start in range(0, len(batch), _BATCH_LINES):
                    yield batch[start : start + _BATCH_LINES]
                    await asyncio.sleep(0)  # a reader of many lines may never wait: others have their turn
                since = batch[-1].at if batch else since
                if self._gone or not (follow or sought):
                    return
                if batch and follow:
                    await asyncio.sleep(min(_PACE_SECONDS * len(tails), 1.0))
                grown.clear()
                ended = not follow or self._closed or log.removed
                batch = await self._read(reader.new)
                if reader.missed:
                    batch = [_loss(reader, self._clock.now(), since), *batch]
                if not batch and ended:
                    return
                if not batch and await _silent(grown):
                    yield ()
        finally:
            reader.close()
            tails.discard(grown)
            self._tail_ended.set()

    async def destroy(self, app_id: UUID) -> None:
        """Remove the app's log and end its tails; nothing that is said of it later is kept. Safe to call twice."""
        log = self._log(app_id)
        log.removed = True
        self._platform.forget(app_id)
        await self._leave_pipes(app_id)
        await self._loop.run_in_executor(self._writers, log.remove)
        self._limits.pop(app_id, None)
        self._wake(app_id)

    def _log(self, app_id: UUID) -> AppLog:
        found = self._logs.get(app_id)
        if found is None:
            found = self._logs[app_id] = AppLog(
                self._layout.logs(app_id),
                self._clock,
                limit_bytes=self._limit_bytes,
                on_growth=lambda: self._on_growth(app_id),
            )
            self._bound(app_id)
        return found

    def _bound(self, app_id: UUID) -> None:
        log = self._logs[app_id]
        log.limit_bytes, log.allowance.lines_per_second = self._limits.get(app_id, (self._limit_bytes, None))

    async def _append(self, app_id: UUID, lines: Sequence[bytes]) -> None:
        await self._loop.run_in_executor(self._writers, self._log(app_id).append, lines)

    async def _read(self, work: Callable[..., T], *args: object) -> T:
        return await self._loop.run_in_executor(self._readers, work, *args)

    async def _leave_pipes(self, app_id: UUID) -> None:
        await asyncio.gather(*(pipe.leave() for pipe in self._pipes.pop(app_id, ())))

    async def _tails_ended(self) -> None:
        while any(self._tails.values()):
            self._tail_ended.clear()
            await self._tail_ended.wait()

    def _on_growth(self, app_id: UUID) -> None:
        """Called in a thread: bytes of this app became visible."""
        if self._tails.get(app_id):
            self._loop.call_soon_threadsafe(self._wake, app_id)

    def _wake(self, app_id: UUID) -> None:
        for grown in self._tails.get(app_id, ()):
            grown.set()


def _threads(name: str) -> ThreadPoolExecutor:
    """Started now: when something on the machine has taken all processes that there may be, lines are moved all the same."""
    executor = ThreadPoolExecutor(_THREADS, thread_name_prefix=name)
    together = threading.Barrier(_THREADS)
    for started in [executor.submit(together.wait) for _ in range(_THREADS)]:
        started.result()
    return executor


def _loss(reader: Reader, now: datetime, since: datetime) -> LogLine:
    count, reader.missed = reader.missed, 0
    text = f"Error L11 (Tail buffer overflow) -> {count} messages dropped since {since.isoformat(timespec='seconds')}."
    return LogLine(now, PLATFORM, "logplex", text)


async def _silent(grown: asyncio.Event) -> bool:
    """Wait for growth; whether there was none for long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_HEARTBEAT_SECONDS):
            await grown.wait()
            return False
    return True
