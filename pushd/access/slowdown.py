"""Failed log-ins cost their maker time, more each time; others are never kept waiting."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass

from pushd.access.turns import TooManyAttempts
from pushd.kit.addresses import source_of
from pushd.kit.aio import first
from pushd.kit.clock import Clock
from pushd.kit.crowd import plan_room

log = logging.getLogger(__name__)

FIRST_SECONDS, LONGEST_SECONDS = 0.125, 2.0
FORGOTTEN_SECONDS = 900.0  # without another failure
REMEMBERED = 4096  # sources, and as many accounts; the oldest are forgotten first
WAITING_PER_SOURCE, WAITING_AT_MOST = 100, 1000  # each holds a connection of somebody's whom nobody knows
_NAME_LIMIT = 254  # characters of an address that is tried; nobody has a longer one


@dataclass(frozen=True, slots=True)
class Failures:
    """How many there were in a row, and when the last one was."""

    count: int
    last_at: float


class Slowdown:
    """One per daemon; nothing is kept over a restart.

    What is counted are wrong credentials alone, by where they come from and by whose account they try. The wait follows the
    look at the credentials: right ones are let in at once, whoever else fails there.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by: OrderedDict[tuple[str, str], Failures] = OrderedDict()
        self._waiting: dict[asyncio.Event, str] = {}  # who has to make room -> their source; oldest first

    async def failed(self, source: str, account: str = "") -> None:
        """Somebody came with wrong credentials: return when they have waited long enough.

        Raises: TooManyAttempts when so many wait, of their source or in all, that they had to make room for another.
        """
        keys = [("source", source_of(source)), *([("account", account[:_NAME_LIMIT].casefold())] if account else [])]
        count = max(self._count(kind, name) for kind, name in keys)
        if count & (count - 1) == 0:  # 1, 2, 4, 8 ...: a flood fills no log
            log.warning("log-in refused", extra={"source": source, "failures": count})
        await self._wait(source_of(source), seconds_after(count))

    async def _wait(self, source: str, seconds: float) -> None:
        crowded = plan_room(self._waiting, source, at_most=WAITING_AT_MOST, per_source=WAITING_PER_SOURCE)
        if crowded is not None:
            del self._waiting[crowded]
            crowded.set()
        mine = asyncio.Event()
        self._waiting[mine] = source
        try:
            if await first(mine.wait(), self._clock.sleep(seconds)) == 0:
                raise TooManyAttempts()
        finally:
            self._waiting.pop(mine, None)

    def _count(self, kind: str, name: str) -> int:
        now, key = self._clock.monotonic(), (kind, name)
        known = self._by.pop(key, None)
        count = 1 if known is None or now - known.last_at >= FORGOTTEN_SECONDS else known.count + 1
        self._by[key] = Failures(count, now)
        while len(self._by) > 2 * REMEMBERED:
            self._by.popitem(last=False)
        return count


def seconds_after(failures: int) -> float:
    """What the last of so many costs."""
    return min(LONGEST_SECONDS, FIRST_SECONDS * float(1 << min(failures - 1, 10)))
