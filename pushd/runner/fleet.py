"""The dynos of one app: which of them there are, which take traffic, and what visitors meet while none does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from uuid import UUID

from pushd.errors import BootFailed, Unavailable
from pushd.kit.aio import Nursery, finish, first
from pushd.kit.clock import Clock
from pushd.model.dyno import Dyno, DynoState
from pushd.model.launch import Launch
from pushd.model.routing import Target, WebState
from pushd.runner.dyno import Life
from pushd.runner.needs import Say, Traffic
from pushd.runner.plan import by_name, web_state
from pushd.runner.process import Adopted, Part

log = logging.getLogger(__name__)
S = DynoState
DISCARD_GRACE_SECONDS = 5.0  # for dynos that never took traffic
_DISCARD_WITHIN_SECONDS = 30.0
_LAST_TABLE_SECONDS = 1.0
_SWITCH_SECONDS = 60.0  # for the router to answer, which is killed and started anew meanwhile
_DRAIN_MARGIN_SECONDS = 5.0  # over the router's own drain time, after which we no longer wait for its word


class Fleet:
    """All lives of one app. Changes of the rotation take turns (deploy's lock); crashes come at any time."""

    def __init__(
        self,
        app_id: UUID,
        *,
        make_life: Callable[[Part, Callable[[Life], None], bool, Adopted | None], Life],
        traffic: Traffic,
        nursery: Nursery,
        clock: Clock,
    ) -> None:
        self.app_id = app_id
        self.rotation: tuple[Life, ...] = ()  # the web dynos that visitors are sent to when they are up
        self.wants_web = False
        self.rest_launch: Launch | None = None  # the newest for the other process types
        self.rest_turn = asyncio.Lock()
        self._make_life = make_life
        self._traffic = traffic
        self._nursery = nursery
        self._clock = clock
        self._tasks: dict[Life, asyncio.Task[None]] = {}
        self._waiting: set[asyncio.Event] = set()
        self._told: tuple[tuple[Target, ...], WebState] | None = None
        self._tells_soon = False
        self._rising: asyncio.Task[None] | None = None
        self._closed = False

    # --- who there is -------------------------------------------------------------------------------------------------

    @property
    def lives(self) -> list[Life]:
        """All of them, those on their way out too."""
        return list(self._tasks)

    @property
    def staying(self) -> list[Life]:
        """Those that are not on their way out."""
        return [life for life in self._tasks if not life.leaving]

    @property
    def names(self) -> frozenset[str]:
        """Of all of them."""
        return frozenset(life.part.name for life in self._tasks)

    @property
    def web(self) -> list[Life]:
        """The web dynos that stay, in rotation or on trial."""
        return [life for life in self.staying if life.part.probe]

    def snapshots(self) -> list[Dyno]:
        """What runs, by name; of two with one name the one in rotation comes first."""
        ordered = sorted(self.staying, key=lambda life: life not in self.rotation)
        return sorted((life.snapshot() for life in ordered if life.state is not S.DOWN), key=by_name)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return once `holds()`; it is asked again after each change of one of the lives."""
        changed = asyncio.Event()
        self._waiting.add(changed)
        try:
            while not holds():
                changed.clear()
                await changed.wait()
        finally:
            self._waiting.discard(changed)

    # --- beginnings and ends ------------------------------------------------------------------------------------------

    def begin(self, part: Part, *, on_trial: bool = False) -> Life:
        """Start a life. Raises: Unavailable when the app is being destroyed or the daemon stops."""
        if self._closed:
            raise Unavailable(f"cannot start {part.name}: everything of this app is being stopped", remedy="Try again later.")
        return self._begin(self._make_life(part, self._changed, on_trial, None))

    def adopt(self, part: Part, adopted: Adopted) -> Life:
        """Go on with a process that an earlier daemon started."""
        self._tells_soon = True  # not before all of them are known: `announced` gives the first table
        return self._begin(self._make_life(part, self._changed, False, adopted))

    def serve(self, rotation: Sequence[Life]) -> None:
        """Adopted web dynos take the traffic that they have already; the first table tells it, see `announced`."""
        self.rotation = tuple(rotation)
        self.wants_web = bool(rotation)

    def announced(self) -> tuple[tuple[Target, ...], WebState]:
        """As `targets`, for a table that somebody else sends."""
        self._tells_soon = False
        for life in self.rotation:
            life.target_id = life.id
        route = self.targets()
        self._told = route if route[0] else None  # without targets somebody else says what visitors meet, for a while
        return route

    def _begin(self, life: Life) -> Life:
        part = life.part
        task = self._nursery.start(life.run(), name=f"{part.launch.app.name} {part.name}")
        self._tasks[life] = task
        task.add_done_callback(lambda _: self._gone(life))
        self._changed(life)
        return life

    async def boot(self, parts: Sequence[Part], say: Say) -> list[Life]:
        """Start lives on trial and wait until all are up. Raises: BootFailed; the new ones are gone then."""
        lives: list[Life] = []
        try:
            for part in parts:
                lives.append(self.begin(part, on_trial=True))
                lives[-1].on_warning = say
            await self.until(lambda: any(map(self._has_failed, lives)) or all(life.state is S.UP for life in lives))
            await self.check(lives, say)
        except BaseException:
            await finish(self.end(lives, grace_seconds=DISCARD_GRACE_SECONDS), within=_DISCARD_WITHIN_SECONDS)
            raise
        return lives

    async def check(self, lives: Sequence[Life], say: Say) -> None:
        """Raises: BootFailed if one of these is not up; its last output goes to `say`."""
        fallen = sorted((life for life in lives if life.state is not S.UP), key=lambda life: not self._has_failed(life))
        if not fallen:
            return
        await self.until(lambda: self._has_failed(fallen[0]))
        failed = fallen[0]
        if any(line.strip() for line in failed.last_lines):
            say(f"       Last output of {failed.part.name}:")
            for line in failed.last_lines:
                say(f"       {line}")
        raise failed.failure or BootFailed(f"{failed.part.name} was stopped while booting", remedy="Push again.")

    async def end(self, lives: Iterable[Life], *, grace_seconds: float | None = None) -> None:
        """Stop these and wait until they are gone; what is left after `grace_seconds` (None: the app's own) is killed."""
        ending = {life: self._tasks[life] for life in lives if life in self._tasks}
        for life in ending:
            life.stop()
        if not ending:
            return
        if grace_seconds is not None and await first(_all(ending.values()), self._clock.sleep(grace_seconds)) == 1:
            for life in ending:
                life.hurry()
        await _all(ending.values())

    async def wait(self, life: Life) -> None:
        """Return once this life is over."""
        if life in self._tasks:
            await asyncio.wait({self._tasks[life]})

    async def close(self, *, grace_seconds: float) -> None:
        """End everything; nothing starts any more."""
        self._closed = True
        self._stop_rising()
        self.rotation, self.wants_web, self.rest_launch = (), False, None
        with contextlib.suppress(Exception):  # the router closes its idle connections, on which some servers wait
            async with asyncio.timeout(_LAST_TABLE_SECONDS):
                await self._tell_traffic()
        await self.end(self.lives, grace_seconds=grace_seconds)

    # --- traffic ------------------------------------------------------------------------------------------------------

    async def take_over(self, rotation: Sequence[Life]) -> list[Life]:
        """Send visitors to these; returns the web dynos that left, once the router has acknowledged it.

        Raises: Unavailable when no router does; visitors stay where they are then.
        """
        before, self.rotation = self.rotation, tuple(rotation)
        try:
            await self._tell_traffic(within=_SWITCH_SECONDS)
        except BaseException:
            self.rotation = before
            raise
        self._stop_rising()
        return self._relieve()

    def rise(self, rotation: Sequence[Life], on_up: Callable[[], Awaitable[None]]) -> list[Life]:
        """Put these into rotation before they are up: each takes traffic once it is, and `on_up()` follows when all are.

        Returns the web dynos that left.
        """
        self.rotation = tuple(rotation)
        self._stop_rising()
        self._rising = self._nursery.start(self._rise(on_up), name="wait for a stand-in")
        self._tell_traffic_soon()
        return self._relieve()

    async def retire(self, life: Life) -> None:
        """Let its visitors finish, then stop it."""
        life.leave()
        if life.state is S.UP and life.target_id == life.id:
            limit = life.part.launch.settings["drain-timeout-seconds"] + _DRAIN_MARGIN_SECONDS
            try:
                await first(self._traffic.drained(life.id), self._clock.sleep(limit))
            except Exception:
                log.exception("cannot learn whether a dyno is drained", extra={"dyno": life.part.name})
        await self.end([life])

    def targets(self) -> tuple[tuple[Target, ...], WebState]:
        """Where visitors are sent now, and what they meet if that is nowhere."""
        up = [(life, life.process) for life in self.rotation if life.state is S.UP and life.process]
        targets = tuple(
            Target(str(life.id), life.part.name, process.port, life=process.handle.life, uid=process.handle.user)
            for life, process in up
            if process.port is not None
        )
        if targets:
            return targets, WebState.SERVING
        coming = [life for life in self.web if life in self.rotation or life.on_trial]
        return (), web_state(((life.state, life.crashes) for life in coming), wants_web=self.wants_web)

    async def _tell_traffic(self, *, within: float | None = None) -> None:
        self._tells_soon = False
        targets, state = self._told = self.targets()
        for life in self.rotation:
            life.target_id = life.id
        try:
            await self._traffic.route(self.app_id, targets, state, within=within)
        except BaseException:
            self._told = None
            raise

    def _tell_traffic_soon(self) -> None:
        """In the background, if there is something new: nobody waits for the router because a dyno crashed."""
        if not self._closed and not self._tells_soon and self.targets() != self._told:
            self._tells_soon = True
            self._nursery.start(self._tell_traffic(), name="tell the router")

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _rise(self, on_up: Callable[[], Awaitable[None]]) -> None:
        await self.until(lambda: all(life.state is S.UP for life in self.rotation))
        self._rising = None  # from here on nobody cuts it short
        await on_up()

    def _stop_rising(self) -> None:
        if self._rising is not None:
            self._rising.cancel()
            self._rising = None

    def _relieve(self) -> list[Life]:
        """Those in rotation are kept; the other web dynos leave."""
        for life in self.rotation:
            life.keep()
        old = [life for life in self.web if life not in self.rotation]
        for life in old:
            life.leave()
        return old

    def _has_failed(self, life: Life) -> bool:
        return life.failure is not None or life not in self._tasks

    def _changed(self, life: Life) -> None:
        for event in self._waiting:
            event.set()
        if life.part.probe:
            self._tell_traffic_soon()

    def _gone(self, life: Life) -> None:
        if self._tasks.pop(life).cancelled():
            return  # the daemon stops: its dynos and the router's table stay as they are
        self.rotation = tuple(each for each in self.rotation if each is not life)
        self._changed(life)


async def _all(tasks: Iterable[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)
