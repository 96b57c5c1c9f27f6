"""One start of one dyno: started and remembered, watched by others, cleared up after its exit."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pushd.errors import DiskFull
from pushd.kit.clock import Clock
from pushd.kit.crash import crash_point
from pushd.kit.disk import is_full
from pushd.kit.wires import Streams
from pushd.layout import Layout
from pushd.model.dyno import DynoRole, DynoRow
from pushd.model.launch import Launch
from pushd.model.resources import Resources
from pushd.model.secret import Environ
from pushd.runner.attachment import Attachment
from pushd.runner.needs import DynoStore, LogPipes, Pipe
from pushd.runner.plan import environ_of
from pushd.runner.ports import Ports
from pushd.runner.probe import Probe
from pushd.runner.schedulers import CannotStart, Handle, NoRoom, Scheduler, Start

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Inside:
    """The start of a dyno in which another program runs: with its variables, and no longer than it."""

    dyno_id: UUID
    environ: Environ
    handle: Handle


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one dyno plays: all that stays the same when it is started again."""

    launch: Launch
    name: str  # "web.1"
    type: str  # "web"
    command: str
    probe: Probe | None = None  # web only: takes traffic, so it gets a port and must answer
    one_off: bool = False  # never started again
    environ: Mapping[str, str] | None = None  # beside config vars
    time_limit_seconds: float | None = None
    copy: Callable[[bytes], None] | None = None  # gets its output too
    attachment: Attachment | None = None  # its client has its streams; they do not go to the log
    attach_within_seconds: float = math.inf  # how long it waits for that client
    inside: Inside | None = None
    attended: bool = False  # a one-off that somebody here waits for: without us it has no purpose

    @property
    def resources(self) -> Resources:
        """What it may take."""
        return self.launch.resources.of_dyno(self.type)


class Process:
    """A started process tree with its pipe; `settle` after its exit leaves nothing of it."""

    def __init__(self, handle: Handle, pipe: Pipe | None, *, port: int | None, started_monotonic: float) -> None:
        self.handle = handle
        self.pipe = pipe  # None: its output goes to a client, not to the log
        self.port = port
        self.started_monotonic = started_monotonic  # seconds of the clock's monotonic()

    def last_lines(self, count: int) -> list[str]:
        """The newest lines that it wrote into the log, oldest first."""
        return self.pipe.last_lines(count) if self.pipe else []


@dataclass(frozen=True, slots=True)
class Adopted:
    """A process of an earlier daemon, with what that one had written down of it."""

    row: DynoRow
    process: Process
    is_up: bool


class Processes:
    """Starts processes, keeps a row of each in the store while it is there, and clears up after each."""

    def __init__(
        self, scheduler: Scheduler, pipes: LogPipes, rows: DynoStore, ports: Ports, layout: Layout, clock: Clock, *, cores: int
    ) -> None:
        self._scheduler = scheduler
        self._pipes = pipes
        self._rows = rows
        self._ports = ports
        self._layout = layout
        self._clock = clock
        self._cores = cores

    async def start(self, part: Part, dyno_id: UUID, at: datetime) -> Process:
        """Start one process tree. Raises: CannotStart, NoFreePort; nothing of it is left then."""
        port = self._ports.take() if part.probe else None
        try:
            return await self._start(part, dyno_id, port, at)
        except BaseException as error:
            if port is not None:
                self._ports.give_back(port)
            if isinstance(error, DiskFull) or is_full(error):
                raise NoRoom(
                    f"Cannot start {part.name}: the disk of the server is full.", remedy="Make room there, then try again."
                ) from error
            if isinstance(error, OSError):
                raise CannotStart(
                    f"Cannot start {part.name}: {error.strerror or error}.",
                    remedy="Look for room on the disk and in memory, then try again.",
                ) from error
            raise

    async def _start(self, part: Part, dyno_id: UUID, port: int | None, at: datetime) -> Process:
        started_monotonic = self._clock.monotonic()
        with part.attachment.streams() if part.attachment else contextlib.nullcontext() as streams:
            handle = await self._scheduler.start(self._order(part, dyno_id, port, streams))
        crash_point("dyno.spawned")
        pipe: Pipe | None = None
        try:
            if streams is None:
                pipe = self._pipes.open(part.launch.app.id, part.name, dyno_id, handle.fifo, copy=part.copy)
            await self._rows.put(_row(part, handle, port, at))
            crash_point("dyno.recorded")
        except Exception:  # one that nobody hears, or that the next daemon could not find, must not run
            handle.kill()
            await handle.wait()
            await self._clear_up(handle, pipe)
            raise
        return Process(handle, pipe, port=port, started_monotonic=started_monotonic)

    def _order(self, part: Part, dyno_id: UUID, port: int | None, streams: Streams | None) -> Start:
        app, slug = part.launch.app, part.launch.slug
        extra = part.attachment.environ(part.environ or {}) if part.attachment else part.environ
        environ = environ_of(
            part.launch, name=part.name, port=port, cores=self._cores, memory_mb=part.resources.memory_mb, extra=extra
        )
        return Start(
            dyno_id=dyno_id,
            app_id=app.id,
            name=part.name,
            command=part.command,
            environ=part.inside.environ | (extra or {}) if part.inside else environ,
            slug=self._layout.slug(slug.checksum),
            environment=self._layout.environment(app.id, slug.environment) if slug.environment else None,
            storage=self._layout.storage(app.id),
            resources=part.resources,
            port=port,
            inside=part.inside.dyno_id if part.inside else None,
            streams=streams,
        )

    def inside(self, part: Part, dyno_id: UUID, process: Process) -> Inside:
        """What another program needs to run where this one does."""
        memory_mb = part.resources.memory_mb
        environ = environ_of(
            part.launch, name=part.name, port=process.port, cores=self._cores, memory_mb=memory_mb, extra=part.environ
        )
        return Inside(dyno_id, environ, process.handle)

    def adopt(self, handle: Handle, row: DynoRow) -> Process:
        """Go on with a process of an earlier daemon: read its output, keep its port. Raises: OSError."""
        pipe = self._pipes.open(row.app_id, row.name, row.id, handle.fifo)
        if row.port is not None:
            self._ports.keep(row.port)
        age_seconds = (self._clock.now() - row.started_at).total_seconds()
        return Process(handle, pipe, port=row.port, started_monotonic=self._clock.monotonic() - max(0.0, age_seconds))

    async def note_ready(self, process: Process, at: datetime) -> None:
        """It is up since then; if that cannot be stored, the next daemon asks the dyno again."""
        dyno_id = process.handle.dyno_id
        crash_point("dyno.up")
        await attempt(self._rows.set_ready(dyno_id, at), "remember that a dyno is up", dyno_id)

    async def note_leaving(self, process: Process) -> None:
        """It is told to end: whoever comes after us must not go on with it."""
        dyno_id = process.handle.dyno_id
        await attempt(self._rows.set_leaving(dyno_id, self._clock.now()), "remember that a dyno is to end", dyno_id)

    async def settle(self, process: Process) -> int:
        """After the program's end: end what it left, read its output to the end, forget it. Gives the exit status.

        Killed in here, the next daemon does it again.
        """
        status = await process.handle.wait()
        crash_point("dyno.exited")
        process.handle.kill()  # children that outlived the program
        await self._clear_up(process.handle, process.pipe)
        if process.port is not None:
            self._ports.give_back(process.port)
        return status

    async def _clear_up(self, handle: Handle, pipe: Pipe | None) -> None:
        """A failing step is logged and keeps none of the others from being done."""
        if pipe is not None:
            await attempt(pipe.finish(), "read a dyno's output to its end", handle.dyno_id)
        crash_point("dyno.read")
        await attempt(handle.release(), "clear up after a dyno", handle.dyno_id)
        crash_point("dyno.released")
        await attempt(self._rows.remove(handle.dyno_id), "forget a dyno", handle.dyno_id)


def _row(part: Part, handle: Handle, port: int | None, started_at: datetime) -> DynoRow:
    return DynoRow(
        id=handle.dyno_id,
        app_id=part.launch.app.id,
        name=part.name,
        type=part.type,
        role=(DynoRole.ATTENDED if part.attended else DynoRole.DETACHED) if part.one_off else DynoRole.FORMATION,
        command=part.command,
        release_id=part.launch.release.id,
        epoch=part.launch.epoch,
        port=port,
        identity=handle.identity,
        started_at=started_at,
    )


async def attempt(step: Awaitable[object], what: str, dyno_id: UUID) -> None:
    """A step that need not succeed: what fails is logged."""
    try:
        await step
    except Exception:
        log.exception("cannot %s", what, extra={"dyno": str(dyno_id)})
