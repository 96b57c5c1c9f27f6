"""What an earlier daemon left running: found again, checked, and gone on with; what nobody owns is ended."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from pushd.errors import PushdError
from pushd.kit.aio import in_thread
from pushd.kit.crash import crash_point
from pushd.model.dyno import DynoRole, DynoRow
from pushd.model.launch import Launch
from pushd.model.logline import APP
from pushd.runner.dyno import Life
from pushd.runner.fleet import Fleet
from pushd.runner.needs import DynoStore, LaunchOf, LogPipes
from pushd.runner.plan import Fate, plan_adoption
from pushd.runner.probe import is_bound
from pushd.runner.process import Adopted, Part, Processes, attempt
from pushd.runner.schedulers import Handle, Scheduler

log = logging.getLogger(__name__)

_REMEDY = "New ones are booted: see `pushd ps`. If none comes up, push again; the server's own log has the cause."


@dataclass(frozen=True, slots=True)
class Found:
    """A dyno of an earlier daemon whose shim still holds its output; its program may have ended meanwhile."""

    row: DynoRow
    handle: Handle
    is_up: bool  # it was ready, and for web: one of its own processes listens on its port right now


class Adoption:
    """Each app on its own: one whose dynos cannot be gone on with keeps no other from it."""

    def __init__(
        self,
        scheduler: Scheduler,
        rows: DynoStore,
        processes: Processes,
        pipes: LogPipes,
        *,
        fleet_of: Callable[[Launch], Fleet],
        part_of: Callable[[Launch, DynoRow], Part],
        retire: Callable[[Fleet, Sequence[Life]], None],
    ) -> None:
        self._scheduler = scheduler
        self._rows = rows
        self._processes = processes
        self._pipes = pipes
        self._fleet_of = fleet_of
        self._part_of = part_of
        self._retire = retire

    async def outdated(self) -> set[UUID]:
        """Apps with dynos in their formation that are another user than those started now would be."""
        rows = [row for row in await self._rows.list() if row.role is DynoRole.FORMATION]
        return {row.app_id for row in rows if await self._is_outdated(row)}

    async def _is_outdated(self, row: DynoRow) -> bool:
        """No if it cannot be told now: an app that has no uid yet may find no room for its number, and goes on as it is."""
        try:
            return await self._scheduler.is_outdated(row.identity, row.app_id)
        except PushdError as error:
            log.warning("cannot tell whose a dyno is to be", extra={"dyno": row.name, "cause": error.message})
            return False

    async def adopt(self, running: Mapping[UUID, Launch], launch_of: LaunchOf) -> None:
        """Go on with what belongs to the launch that should run of each app, and end the rest.

        Killed in here, the next daemon does it again.
        """
        found = await self._find()
        crash_point("start.dynos-found")
        apps: dict[UUID, list[Found]] = {}
        for each in found:
            apps.setdefault(each.row.app_id, []).append(each)
        counts = await asyncio.gather(
            *(self._adopt_or_log(app_id, its, running.get(app_id), launch_of) for app_id, its in apps.items())
        )
        if found:
            log.info("dynos of an earlier daemon", extra={"adopted": sum(counts), "ended": len(found) - sum(counts)})

    async def _find(self) -> Sequence[Found]:
        """All that an earlier daemon wrote down and that is still there; rows of those that are gone are removed."""
        rows = {row.id: row for row in await self._rows.list()}
        handles = await self._scheduler.find_leftovers([(row.id, row.identity) for row in rows.values()])
        for dyno_id in set(rows) - {handle.dyno_id for handle in handles}:
            await self._forget(dyno_id)
        return await asyncio.gather(*(_look_at(rows[handle.dyno_id], handle) for handle in handles))

    async def _adopt_or_log(self, app_id: UUID, found: Sequence[Found], running: Launch | None, launch_of: LaunchOf) -> int:
        try:
            return await self._adopt_app(found, running, launch_of)
        except Exception:  # stays with that app: it is booted anew, so nothing of it may run on
            log.exception("cannot go on with an app's dynos, ending them", extra={"app": str(app_id)})
            names = ", ".join(sorted(each.row.name for each in found))
            self._pipes.say(app_id, APP, "api", f"The server started anew and had to end {names}. {_REMEDY}")
            await asyncio.gather(*(self._end_heard(each) for each in found))
            return 0

    async def _adopt_app(self, found: Sequence[Found], running: Launch | None, launch_of: LaunchOf) -> int:
        """Gives how many go on."""
        fates = plan_adoption([(each.row, each.is_up) for each in found], running.release.id if running else None)
        # All of them before any is heard: if one cannot be told, all are ended, and no pipe may be open then.
        launches = [await launch_of(each.row.app_id, each.row.release_id) or running for each in found]
        owned: list[tuple[Found, Launch, Adopted]] = []
        for each, launch in zip(found, launches, strict=True):
            if launch is None or (adopted := self._maybe_adopted(each)) is None:
                await self._end_unowned(each)
            else:
                owned.append((each, launch, adopted))
        fleet, lives = None, dict[Fate, list[Life]]((fate, []) for fate in Fate)
        for each, launch, adopted in owned:  # without a pause: a fleet that has half of its dynos would tell the router so
            fleet = self._fleet_of(launch)
            launch = replace(launch, app=replace(launch.app, restarts=each.row.epoch.restarts))
            lives[fates[each.row.id]].append(fleet.adopt(self._part_of(launch, each.row), adopted))
        crash_point("start.dynos-adopted")
        if fleet is not None:
            fleet.serve(lives[Fate.SERVES])
            self._retire(fleet, lives[Fate.ENDS])
        return len(lives[Fate.SERVES]) + len(lives[Fate.STAYS])

    def _maybe_adopted(self, found: Found) -> Adopted | None:
        found.handle.signal(signal.SIGCONT)  # a daemon that was about to kill it may have held it
        try:
            return Adopted(found.row, self._processes.adopt(found.handle, found.row), found.is_up)
        except OSError:  # one that nobody hears must not run
            log.exception("cannot read a dyno's output", extra={"dyno": found.row.name})
            return None

    async def _end_heard(self, found: Found) -> None:
        """Of an app that is there: what waits in the pipe belongs into its log."""
        adopted = self._maybe_adopted(found)
        if adopted is None:
            await self._end_unowned(found)
            return
        found.handle.kill()
        await attempt(self._processes.settle(adopted.process), "end a dyno of an earlier daemon", found.row.id)

    async def _end_unowned(self, found: Found) -> None:
        await _end(found.handle)
        await self._forget(found.row.id)

    async def _forget(self, dyno_id: UUID) -> None:
        """On a full disk its row stays, and the next daemon removes it: an identity that is gone is never found again."""
        await attempt(self._rows.remove(dyno_id), "forget a dyno of an earlier daemon", dyno_id)


async def _look_at(row: DynoRow, handle: Handle) -> Found:
    is_up = row.ready_at is not None
    if is_up and row.port is not None:  # somebody else may have taken the port meanwhile
        try:
            is_up = is_bound(await in_thread(handle.listeners), row.port)
        except Exception:
            log.exception("cannot look at a dyno of an earlier daemon", extra={"dyno": row.name})  # stays with that app
            is_up = False
    return Found(row, handle, is_up)


async def _end(handle: Handle) -> None:
    try:
        handle.kill()
        await handle.wait()
        await handle.release()
    except Exception:
        log.exception("cannot end a dyno of an earlier daemon", extra={"dyno": str(handle.dyno_id)})
