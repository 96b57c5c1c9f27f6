"""What an earlier daemon left: its dynos are ended, their waiting output goes into the log, their rows are removed."""

from __future__ import annotations

import asyncio
import logging

from pushd.kit.aio import first
from pushd.kit.clock import Clock
from pushd.model.dyno import DynoRow
from pushd.model.logline import PLATFORM
from pushd.runner.needs import DynoStore, LogPipes, Traffic
from pushd.runner.schedulers import Handle, Scheduler

log = logging.getLogger(__name__)
DRAIN_SECONDS = 30.0  # for requests that the predecessor's router still carries: new ones wait meanwhile
GRACE_SECONDS = 5.0  # between TERM and KILL: the apps wait for us to boot them anew


class Leftovers:
    """Ends them, each on its own: one that fails keeps no other from being ended."""

    def __init__(self, scheduler: Scheduler, pipes: LogPipes, traffic: Traffic, rows: DynoStore, clock: Clock) -> None:
        self._scheduler = scheduler
        self._pipes = pipes
        self._traffic = traffic
        self._rows = rows
        self._clock = clock

    async def end(self) -> int:
        """End every dyno of an earlier daemon; how many there were. Killed in here, the next daemon does the rest."""
        rows = {row.id: row for row in await self._rows.list()}
        handles = await self._scheduler.find_leftovers([(row.id, row.identity) for row in rows.values()])
        await asyncio.gather(*(self._end_or_log(handle, rows.get(handle.dyno_id)) for handle in handles))
        for dyno_id in set(rows) - {handle.dyno_id for handle in handles}:
            await self._rows.remove(dyno_id)
        return len(handles)

    async def _end_or_log(self, handle: Handle, row: DynoRow | None) -> None:
        try:
            if row is None:  # the daemon died before it could write down whose it is
                handle.kill()
                await handle.release()
            else:
                await self._end(handle, row)
        except Exception:
            log.exception("cannot end a dyno of an earlier daemon", extra={"dyno": str(handle.dyno_id)})

    async def _end(self, handle: Handle, row: DynoRow) -> None:
        pipe = self._pipes.open(row.app_id, row.name, row.id, handle.fifo)
        await self._await_visitors(handle, row)
        self._pipes.say(row.app_id, PLATFORM, row.name, "Stopping all processes with SIGTERM")
        handle.terminate()
        if await first(handle.wait(), self._clock.sleep(GRACE_SECONDS)) == 1:
            handle.kill()
        status = await handle.wait()
        handle.kill()  # children that outlived the program
        await pipe.finish()
        self._pipes.say(row.app_id, PLATFORM, row.name, f"Process exited with status {status}")
        await handle.release()
        await self._rows.remove(row.id)

    async def _await_visitors(self, handle: Handle, row: DynoRow) -> None:
        """What it answers just now may end first; it gets no new requests."""
        try:
            await first(self._traffic.drained(row.id), handle.wait(), self._clock.sleep(DRAIN_SECONDS))
        except Exception:
            log.exception("cannot learn whether a dyno is drained", extra={"dyno": row.name})
