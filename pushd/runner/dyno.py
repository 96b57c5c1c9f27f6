"""The life of one dyno: started, watched, started again after each crash, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from uuid import UUID, uuid4

from pushd.errors import BootFailed, PushdError
from pushd.kit.aio import first, in_thread
from pushd.kit.clock import Clock
from pushd.kit.proc import machine_memory_bytes
from pushd.model.dyno import MOVES, Dyno, DynoEvent, DynoState, shown_state
from pushd.model.logline import PLATFORM
from pushd.model.resources import vast_bytes
from pushd.runner.exits import exit_failure
from pushd.runner.needs import LogPipes
from pushd.runner.plan import HEALTHY_SECONDS, pause_before_start
from pushd.runner.process import Adopted, Part, Process, Processes
from pushd.runner.schedulers import NoRoom

log = logging.getLogger(__name__)
S, E = DynoState, DynoEvent
_EVIDENCE_LINES = 50
R15 = "Error R15 (Memory quota vastly exceeded)"
_TRY_AGAIN_SECONDS = 1.0
_CRASHES_WITHOUT_ROOM = 3  # a try every 10 seconds


def memory_line(taken_bytes: int, quota_bytes: int) -> str:
    """What stands before R14 and R15, as on Heroku."""
    return f"Process running mem={taken_bytes / (1 << 20):.0f}M({100 * taken_bytes / quota_bytes:.1f}%)"


def moved(state: DynoState, event: DynoEvent) -> DynoState:
    """The state after an event. Raises: RuntimeError for one that cannot happen then: a bug of ours."""
    try:
        return MOVES[(state, event)]
    except KeyError:
        raise RuntimeError(f"a dyno that is {state} cannot take the event {event!r}") from None


class Life:
    """One name in one epoch of an app; each start is a new process under a new id.

    `on_change` is called after each change of state or failure. A dyno on trial that exits is not started again before
    somebody keeps it. Cancelling `run` leaves the process alone: the daemon may go, its dynos stay. An `adopted` process of an
    earlier daemon is its first start.
    """

    def __init__(
        self,
        part: Part,
        *,
        processes: Processes,
        pipes: LogPipes,
        clock: Clock,
        chance: random.Random,
        on_change: Callable[[Life], None],
        on_trial: bool = False,
        adopted: Adopted | None = None,
    ) -> None:
        self.part = part
        self.id: UUID = adopted.row.id if adopted else uuid4()
        self.state = S.UP if adopted and adopted.is_up else S.STARTING
        self.crashes = 0  # in a row
        self.process: Process | None = adopted.process if adopted else None
        self.exit_status: int | None = None
        self.failure: PushdError | None = None  # why the last start did not last
        self.last_lines: list[str] = []  # of the start that failed
        self.leaving = False  # will not be started again
        self.timed_out = False
        self.on_warning: Callable[[str], None] | None = None  # who waits for it to come up
        # The id under which it was last given to the router; an earlier daemon may have done so too.
        self.target_id: UUID | None = self.id if adopted and adopted.is_up else None
        self._processes = processes
        self._pipes = pipes
        self._clock = clock
        self._chance = chance
        self._on_change = on_change
        self._created_at = adopted.row.started_at if adopted else clock.now()
        self._updated_at = (adopted.row.ready_at if adopted else None) or self._created_at
        self._adopted = adopted
        self._killed_because = ""
        self._stop, self._hurry, self._kept = asyncio.Event(), asyncio.Event(), asyncio.Event()
        if not on_trial:
            self._kept.set()

    # --- what others ask of it ----------------------------------------------------------------------------------------

    def snapshot(self) -> Dyno:
        """The dyno as it is now."""
        launch = self.part.launch
        return Dyno(
            id=self.id,
            app_id=launch.app.id,
            name=self.part.name,
            type=self.part.type,
            state=self.state,
            epoch=launch.epoch,
            release_id=launch.release.id,
            command=self.part.command,
            port=self.process.port if self.process else None,
            size=self.part.resources.size,
            created_at=self._created_at,
            updated_at=self._updated_at,
        )

    @property
    def on_trial(self) -> bool:
        """Nobody has kept it yet."""
        return not self._kept.is_set()

    def keep(self) -> None:
        """The trial is over: from now on it is started again after a crash."""
        self._kept.set()

    def leave(self) -> None:
        """It will be stopped soon: a crash on the way out is its end."""
        self.leaving = True
        if self.state is S.COOLING:
            self._stop.set()

    def stop(self) -> None:
        """TERM, the app's stop timeout, KILL."""
        self.leaving = True
        self._stop.set()

    def hurry(self) -> None:
        """Stop, and KILL at once what has not ended yet."""
        self._hurry.set()
        self.stop()

    def kill_because(self, reason: str) -> None:
        """KILL its process; this counts as a crash."""
        if self.process is not None and self.state in (S.STARTING, S.UP):
            self._killed_because = reason
            self.tell("Stopping process with SIGKILL")
            self.process.handle.kill()

    def kill_for_memory(self) -> None:
        """The same, because it took far more memory than its quota."""
        self.tell(R15)
        self.kill_because(self._too_much_memory)

    def tell(self, message: str) -> None:
        """Put a line of the platform's into the app's log."""
        self._pipes.say(self.part.launch.app.id, PLATFORM, self.part.name, message)

    # --- the story ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Live until told to stop; a one-off until it exits."""
        while self.state is not S.DOWN:
            await self._live()
            if self.state is S.COOLING:
                await self._cool()

    async def _live(self) -> None:
        """One start, to the exit of its process."""
        self.failure, self._killed_because = None, ""
        if self._adopted is None:
            self.process = None
            self.tell(f"Starting process with command `{self.part.command}`")
            try:
                self.process = await self._processes.start(self.part, self.id, self._created_at)
            except Exception as error:
                self._not_started(error)
                return
        assert self.process is not None
        failure: PushdError | None = None
        try:
            await self._watch(self.process)
        except Exception as error:
            failure = await self._give_up(self.process, error)
        await self._after_exit(self.process, failure)
        self._adopted = None

    async def _watch(self, process: Process) -> None:
        """Return once the process has ended, by itself or because it was told to.

        Raises: BootFailed if it is not ready in time.
        """
        exited, _stopped, third = range(3)
        outcome = third
        if self.state is S.STARTING:
            outcome = await first(process.handle.wait(), self._stop.wait(), self._come_up(process))
            if outcome == third:
                self._move(E.READY)
                self.tell("State changed from starting to up")
                await self._processes.note_ready(process, self._updated_at)
        if outcome == third:
            outcome = await first(process.handle.wait(), self._stop.wait(), self._time_limit())
            self.timed_out = outcome == third
        if outcome != exited:
            await self._end(process)

    async def _come_up(self, process: Process) -> None:
        """Return once it is up: web when it answers, others as soon as they run. Raises: BootFailed."""
        if self.part.probe is not None and process.port is not None:
            probe, name = self.part.probe, self.part.name
            await probe.wait_until_ready(name, process.handle, process.port, self._clock, on_misplaced=self._warn)

    async def _time_limit(self) -> None:
        limit = self.part.time_limit_seconds
        if limit is None:
            await asyncio.Event().wait()
        else:
            earlier = (self._clock.now() - self._created_at).total_seconds() if self._adopted else 0.0
            await self._clock.sleep(max(0.0, limit - max(0.0, earlier)))  # the clock may have been wrong at its start
            self.tell(f"Process ran longer than {limit:g} seconds")

    async def _end(self, process: Process) -> None:
        """TERM, grace, KILL; returns when the program has ended."""
        before = shown_state(self.state)
        self._move(E.STOP)
        self.tell(f"State changed from {before} to {'complete' if self.part.one_off else 'down'}")
        self.tell("Stopping all processes with SIGTERM")
        await self._processes.note_leaving(process)
        process.handle.terminate()
        grace = self.part.launch.settings["stop-timeout-seconds"]
        ended_by = await first(process.handle.wait(), self._hurry.wait(), self._clock.sleep(grace))
        if ended_by == 0:
            return
        if ended_by == 2:
            self.tell(f"Error R12 (Exit timeout) -> At least one process failed to exit within {grace:g} seconds of SIGTERM")
        await self._kill(process)

    async def _kill(self, process: Process) -> None:
        """It had its time; returns when nothing of it runs."""
        self._move(E.GRACE_OVER)
        self.tell("Stopping remaining processes with SIGKILL")
        process.handle.kill()
        await process.handle.wait()

    async def _give_up(self, process: Process, error: Exception) -> PushdError:
        """It did not come up in time, or we failed to watch it: either way it must not run on unwatched."""
        if isinstance(error, BootFailed):
            limit = self.part.launch.settings["boot-timeout-seconds"]
            self.tell(f"Error R10 (Boot timeout) -> Web process failed to bind to $PORT within {limit:g} seconds of launch")
        else:
            log.error("cannot watch a dyno", extra=self._extra, exc_info=error)
        self.tell("Stopping process with SIGKILL")
        await self._end_for_sure(process)
        return error if isinstance(error, PushdError) else _internal(self.part.name, "had to be ended")

    async def _end_for_sure(self, process: Process) -> None:
        """Return once it has ended, however long the machine refuses us what that takes: no other may run beside it."""
        while True:
            try:
                process.handle.kill()
                await process.handle.wait()
                return
            except Exception as error:
                log.error("cannot end a dyno yet", extra=self._extra, exc_info=error)
                await self._clock.sleep(_TRY_AGAIN_SECONDS)

    async def _after_exit(self, process: Process, failure: PushdError | None) -> None:
        """Out of traffic first, then the last output, then what is to be said about it."""
        before = self.state
        if before in (S.STARTING, S.UP):
            healthy = before is S.UP and (self._clock.monotonic() - process.started_monotonic) >= HEALTHY_SECONDS
            self.crashes = 1 if healthy else self.crashes + 1
        self._move(E.EXITED)
        if not self._killed_because and await in_thread(process.handle.ran_out_of_memory):  # the kernel was quicker
            quota_bytes = process.handle.memory_bytes
            self.tell(memory_line(vast_bytes(quota_bytes, machine_memory_bytes()), quota_bytes))
            self.tell(R15)
            self._killed_because = self._too_much_memory
        status = self.exit_status = await self._processes.settle(process)
        self.last_lines = process.last_lines(_EVIDENCE_LINES)
        self.tell(f"Process exited with status {status}")
        if self.state is S.COOLING:
            self.tell(f"State changed from {shown_state(before)} to {'complete' if self.part.one_off else 'crashed'}")
            self._failed(failure or self._exit_failure(status, was_up=before is S.UP))

    async def _cool(self) -> None:
        """Wait for the next start, if there is to be one."""
        if self.part.one_off or self.leaving or await first(self._stop.wait(), self._next_start()) == 0:
            self._move(E.STOP)
            return
        self.id, self._created_at = uuid4(), self._clock.now()
        self._move(E.COOLED)
        self.tell("State changed from crashed to starting")

    async def _next_start(self) -> None:
        await self._kept.wait()
        await self._clock.sleep(pause_before_start(self.crashes, self._chance))

    def _warn(self, what: str, remedy: str) -> None:
        """It goes on, and somebody may want to know before it fails."""
        self.tell(what)
        if self.on_warning is not None:
            self.on_warning(f"       {what}\n       {remedy}")

    # --- words and state ----------------------------------------------------------------------------------------------

    def _not_started(self, error: Exception) -> None:
        """No process came into being: a crash without an exit status."""
        if not isinstance(error, NoRoom):
            self.crashes += 1
        else:  # no crash of the app: it is back soon after there is room again
            self.crashes = max(self.crashes, min(self.crashes + 1, _CRASHES_WITHOUT_ROOM))
        self._move(E.EXITED)
        if isinstance(error, PushdError):
            failure = BootFailed(error.message, remedy=error.remedy)
        else:
            log.error("cannot start a dyno", extra=self._extra, exc_info=error)
            failure = _internal(self.part.name, "could not be started")
        self.tell(failure.message)
        self._failed(failure)

    def _exit_failure(self, status: int, *, was_up: bool) -> BootFailed:
        part = self.part
        return exit_failure(part.name, part.command, status, was_up=was_up, killed_because=self._killed_because)

    @property
    def _too_much_memory(self) -> str:
        quota = self.process.handle.memory_bytes if self.process else self.part.resources.memory_bytes
        return f"it took far more memory than its quota of {quota >> 20} MB (R15)"

    @property
    def _extra(self) -> dict[str, str]:
        return {"dyno": self.part.name, "app": self.part.launch.app.name}

    def _failed(self, failure: PushdError) -> None:
        self.failure = failure
        self._on_change(self)

    def _move(self, event: DynoEvent) -> None:
        self.state = moved(self.state, event)
        self._updated_at = self._clock.now()
        self._on_change(self)


def _internal(name: str, what: str) -> BootFailed:
    return BootFailed(f"{name} {what}: internal error", remedy="The daemon's own log has the details.")
