"""Who may act now: pushes of an app queue, builds share the machine, and everything that boots dynos takes turns.

All of it belongs to tasks of this daemon and dies with them: a killed deploy leaves no lock and no slot behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from pushd.errors import Superseded
from pushd.story.rooms import Say


@dataclass(slots=True)
class _Lock:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    holder: str = ""
    waiting: int = 0


class BootTurns:
    """Boots of one app take turns: deploy, config change, rollback, scale, restart; in order of arrival."""

    def __init__(self) -> None:
        self._locks: dict[UUID, _Lock] = {}

    @asynccontextmanager
    async def hold(self, app_id: UUID, *, why: str, say: Say | None = None) -> AsyncIterator[None]:
        """Hold the app's turn; one who has to wait is told who holds it."""
        turn = self._locks.setdefault(app_id, _Lock())
        if turn.lock.locked() and say is not None:
            say(f"-----> Waiting: {turn.holder} is under way, {turn.waiting + 1} in line")
        turn.waiting += 1
        try:
            await turn.lock.acquire()
        finally:
            turn.waiting -= 1
        turn.holder = why
        try:
            yield
        finally:
            turn.lock.release()
            if not turn.waiting:
                self._locks.pop(app_id, None)


@dataclass(slots=True)
class _Queue:
    holder: str
    waiting: _Waiter | None = None


@dataclass(slots=True)
class _Waiter:
    label: str
    turn: asyncio.Future[None]


class PushQueue:
    """Pushes of one app: one is under way, at most one waits; a newer one takes the place of the waiting one."""

    def __init__(self) -> None:
        self._queues: dict[UUID, _Queue] = {}

    @asynccontextmanager
    async def turn(self, app_id: UUID, label: str, say: Say) -> AsyncIterator[None]:
        """Wait for the push before this one, then hold the queue; `label` is the short commit.

        Raises: Superseded when a newer push came while this one waited.
        """
        queue = self._queues.get(app_id)
        if queue is None:
            queue = self._queues[app_id] = _Queue(holder=label)
        else:
            await self._wait(app_id, queue, label, say)
            queue.holder = label
        try:
            yield
        finally:
            self._pass_on(app_id, queue)

    async def _wait(self, app_id: UUID, queue: _Queue, label: str, say: Say) -> None:
        if queue.waiting is not None and not queue.waiting.turn.done():  # it is when just cancelled, until its task has run
            queue.waiting.turn.set_exception(Superseded(f"superseded by {label}"))
        waiter = queue.waiting = _Waiter(label, asyncio.get_running_loop().create_future())
        say(f"-----> The push of {queue.holder} is being deployed; this one is next in line (position 1)")
        try:
            await waiter.turn
        except BaseException:
            if queue.waiting is waiter:
                queue.waiting = None
            elif waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None:
                self._pass_on(app_id, queue)  # the turn had come just as we were cancelled
            raise

    def _pass_on(self, app_id: UUID, queue: _Queue) -> None:
        waiter, queue.waiting = queue.waiting, None
        if waiter is not None and not waiter.turn.done():
            waiter.turn.set_result(None)
        else:
            self._queues.pop(app_id, None)


@dataclass(frozen=True, slots=True)
class _Place:
    say: Say
    turn: asyncio.Future[None]


class BuildSlots:
    """How many builds run at once on this machine; further ones wait in order of arrival and are told their position.

    No app comes twice: of its pushes only the one under way gets here, and the next goes to the end of the line.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._line: deque[_Place] = deque()

    @asynccontextmanager
    async def hold(self, say: Say) -> AsyncIterator[None]:
        """Wait for a free slot, then hold it."""
        if self._taken < self._limit:
            self._taken += 1
        else:
            await self._wait(say)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, say: Say) -> None:
        place = _Place(say, asyncio.get_running_loop().create_future())
        self._line.append(place)
        say(f"-----> Waiting: {_builds(self._limit)} under way; position {len(self._line)} in line")
        try:
            await place.turn
        except BaseException:
            if place in self._line:  # `_pass_on` may have taken it out: then the turn had come, or it was passed over
                behind = list(self._line)[self._line.index(place) + 1 :]
                self._line.remove(place)
                self._tell(behind)
            elif not place.turn.cancelled():
                self._pass_on()  # the turn had come just as we were cancelled
            raise

    def _pass_on(self) -> None:
        """Give the slot to who has waited longest, who keeps it taken."""
        while self._line:
            place = self._line.popleft()
            if not place.turn.done():  # else it is cancelled, and its task has not run yet to leave the line
                place.turn.set_result(None)
                self._tell(self._line)
                return
        self._taken -= 1

    def _tell(self, moved: Iterable[_Place]) -> None:
        positions = {id(place): position for position, place in enumerate(self._line, start=1)}
        for place in moved:
            place.say(f"       position {positions[id(place)]} in line")


def _builds(count: int) -> str:
    return "a build of another app is" if count == 1 else f"{count} builds of other apps are"
