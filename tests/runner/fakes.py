"""Stand-ins for the runner's neighbours: processes, pipes and sockets are real, the rooms around them are small."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psutil

from pushd.model.dyno import DynoRow
from pushd.model.routing import Target, WebState
from pushd.runner.schedulers import CannotStart, Listener, Memory, Start


class Recorder:
    """Things that happened, oldest first, and a way to wait for the next."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self._waiting: set[asyncio.Event] = set()

    def add(self, item: str) -> None:
        self.items.append(item)
        for event in self._waiting:
            event.set()

    async def until(self, holds: Callable[[list[str]], bool]) -> None:
        """Return once `holds(items)`."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            async with asyncio.timeout(20):
                while not holds(self.items):
                    event.clear()
                    await event.wait()
        except TimeoutError:
            raise AssertionError("this never happened; what did:\n" + "\n".join(self.items)) from None
        finally:
            self._waiting.discard(event)

    async def has(self, text: str, times: int = 1) -> None:
        """Return once an item with this text came so many times."""
        await self.until(lambda items: sum(text in item for item in items) >= times)


class PatientClock:
    """The machine's time, but sleeps of half a second and more end only when the test skips them."""

    def __init__(self) -> None:
        self.sleeps: list[float] = []  # every long one that was begun
        self._skipped = 0.0
        self._sleeping: dict[asyncio.Event, float] = {}
        self._begun = Recorder()

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._skipped)

    def monotonic(self) -> float:
        return time.monotonic() + self._skipped

    async def sleep(self, seconds: float) -> None:
        if seconds < 0.5:
            await asyncio.sleep(seconds)
            return
        event = asyncio.Event()
        self._sleeping[event] = seconds
        self.sleeps.append(seconds)
        self._begun.add(f"{seconds:g}")
        try:
            await event.wait()
        finally:
            self._sleeping.pop(event, None)

    async def skip(self, seconds: float) -> None:
        """Let those that sleep for exactly so long wake up, waiting for the first of them if there is none yet."""
        await self.begun(lambda length: length == seconds)
        self.advance(seconds)
        self.wake(lambda length: length == seconds)

    async def begun(self, fits: Callable[[float], bool]) -> None:
        """Return once somebody sleeps for such a time."""
        await self._begun.until(lambda _: any(map(fits, self._sleeping.values())))

    def wake(self, fits: Callable[[float], bool]) -> None:
        for event, length in list(self._sleeping.items()):
            if fits(length):
                del self._sleeping[event]
                event.set()

    def advance(self, seconds: float) -> None:
        """Let time pass without waking anybody."""
        self._skipped += seconds


@dataclass
class FakeTraffic:
    """A router that acknowledges at once, unless the test holds it back."""

    happened: Recorder
    routes: list[tuple[tuple[Target, ...], WebState]] = field(default_factory=list)
    drains: dict[UUID, asyncio.Event] = field(default_factory=dict)
    holds_drains: bool = False
    refuses: Exception | None = None

    async def route(self, app_id: UUID, targets: Sequence[Target], state: WebState, *, within: float | None = None) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.routes.append((tuple(targets), state))
        names = ",".join(target.name for target in targets)
        self.happened.add(f"route {state}{' ' if names else ''}{names}")
        await asyncio.sleep(0)
        self.happened.add("acknowledged")

    async def drained(self, dyno_id: UUID) -> None:
        self.happened.add(f"draining {dyno_id}")
        if self.holds_drains:
            await self.drains.setdefault(dyno_id, asyncio.Event()).wait()
        self.happened.add(f"drained {dyno_id}")


class FakePipe:
    """Reads a FIFO into memory."""

    def __init__(self, fifo: Path, process: str, happened: Recorder, copy: Callable[[bytes], None] | None) -> None:
        self.data = b""
        self.finished = False
        self._process = process
        self._happened = happened
        self._copy = copy
        self._descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._descriptor, 65536):
                self.data += data
                for line in data.decode().splitlines():
                    self._happened.add(f"app[{self._process}]: {line}")
                if self._copy:
                    self._copy(data)

    async def finish(self) -> None:
        if not self.finished:
            self.finished = True
            self._read()
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)

    def abandon(self) -> None:
        """As when the daemon dies: what comes from now on waits in the FIFO."""
        if not self.finished:
            self.finished = True
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)

    def last_lines(self, count: int) -> list[str]:
        return self.data.decode().splitlines()[-count:]


@dataclass
class FakePipes:
    """A logplex that keeps everything in one list."""

    happened: Recorder
    refuses: Exception | None = None
    opened: list[FakePipe] = field(default_factory=list)

    def open(
        self, app_id: UUID, process: str, dyno_id: UUID, fifo: Path, *, copy: Callable[[bytes], None] | None = None
    ) -> FakePipe:
        if self.refuses is not None:
            raise self.refuses
        self.opened.append(FakePipe(fifo, process, self.happened, copy))
        return self.opened[-1]

    def say(self, app_id: UUID, source: str, process: str, message: str) -> None:
        self.happened.add(f"{source}[{process}]: {message}")


@dataclass
class FakeRows:
    """The store's table of dynos."""

    rows: dict[UUID, DynoRow] = field(default_factory=dict)
    refuses: Exception | None = None
    keeps: Exception | None = None  # why no row can be removed

    async def put(self, row: DynoRow) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.rows[row.id] = row

    async def set_ready(self, dyno_id: UUID, at: datetime) -> None:
        if dyno_id in self.rows:
            self.rows[dyno_id] = replace(self.rows[dyno_id], ready_at=at)

    async def set_leaving(self, dyno_id: UUID, at: datetime) -> None:
        if dyno_id in self.rows:
            self.rows[dyno_id] = replace(self.rows[dyno_id], leaving_at=at)

    async def remove(self, dyno_id: UUID) -> None:
        if self.keeps is not None:
            raise self.keeps
        self.rows.pop(dyno_id, None)

    async def list(self) -> list[DynoRow]:
        return list(self.rows.values())


class FakeHandle:
    """One real process group with a FIFO; the FIFO is held open until `release`, as the shim does."""

    def __init__(self, start: Start, folder: Path) -> None:
        self.start = start
        self.dyno_id = start.dyno_id
        self.identity = f"fake {start.dyno_id}"
        self.life = ""
        self.user: int | None = None
        self.fifo = folder / str(start.dyno_id)
        self.taken = Memory(0, 0)
        self.out_of_memory = False  # the kernel has killed some of it
        self.released = False
        self.unwatchable = 0  # how often the machine refuses what a wait takes
        self._process: asyncio.subprocess.Process
        self._held = -1

    async def begin(self) -> None:
        os.mkfifo(self.fifo)
        self._held = os.open(self.fifo, os.O_RDWR | os.O_CLOEXEC)
        streams = self.start.streams
        self._process = await asyncio.create_subprocess_exec(
            *(["setsid", "-w", "-c"] if streams and streams.terminal else []), "/bin/sh", "-c", self.start.command,
            cwd=self.start.slug, env={"PATH": os.defpath, **self.start.environ}, start_new_session=True,
            stdin=streams.stdin if streams else asyncio.subprocess.DEVNULL,
            stdout=streams.stdout if streams else self._held, stderr=streams.stderr if streams else self._held,
        )  # fmt: skip

    async def wait(self) -> int:
        if self.unwatchable:
            self.unwatchable -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        status = await self._process.wait()
        return 128 - status if status < 0 else status

    def terminate(self) -> None:
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)

    async def release(self) -> None:
        if not self.released:
            self.released = True
            os.close(self._held)
            self.fifo.unlink()

    def listeners(self) -> Sequence[Listener]:
        found = []
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                found += [connection.laddr for connection in process.net_connections("tcp") if connection.status == "LISTEN"]
        return [Listener(address.ip, address.port) for address in found]

    @property
    def memory_bytes(self) -> int:
        return self.start.resources.memory_bytes

    def memory(self) -> Memory:
        return self.taken

    def ran_out_of_memory(self) -> bool:
        return self.out_of_memory

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    def _tree(self) -> list[psutil.Process]:
        try:
            process = psutil.Process(self._process.pid)
            return [process, *process.children(recursive=True)]
        except psutil.Error:
            return []


@dataclass
class FakeScheduler:
    """Starts real processes without a sandbox."""

    folder: Path
    handles: list[FakeHandle] = field(default_factory=list)
    unwatchable: int = 0  # for the next one that starts
    refuses: list[CannotStart] = field(default_factory=list)  # one per start that is to fail
    outdated: set[UUID] = field(default_factory=set)  # apps whose dynos are another user than new ones would be

    async def start(self, start: Start) -> FakeHandle:
        if self.refuses:
            raise self.refuses.pop()
        handle = FakeHandle(start, self.folder)
        handle.unwatchable, self.unwatchable = self.unwatchable, 0
        await handle.begin()
        self.handles.append(handle)
        return handle

    async def is_outdated(self, identity: str, app_id: UUID) -> bool:
        return app_id in self.outdated

    async def find_leftovers(self, identities: Sequence[tuple[UUID, str]]) -> Sequence[FakeHandle]:
        known, left = {dyno_id for dyno_id, _ in identities}, [handle for handle in self.handles if not handle.released]
        for handle in left:
            if handle.dyno_id not in known:
                handle.kill()
                await handle.wait()
                await handle.release()
        return [handle for handle in left if handle.dyno_id in known]

    @property
    def running(self) -> list[str]:
        """Names of the dynos whose program runs."""
        return sorted(handle.start.name for handle in self.handles if handle.alive)

    def named(self, name: str) -> FakeHandle:
        """The newest of this name."""
        return [handle for handle in self.handles if handle.start.name == name][-1]
