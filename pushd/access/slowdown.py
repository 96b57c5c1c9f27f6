"""Failed log-ins cost their maker time, more each time; others are never kept waiting."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass

from pushd.kit.addresses import source_of
from pushd.kit.clock import Clock

log = logging.getLogger(__name__)

FIRST_SECONDS, LONGEST_SECONDS = 0.125, 2.0
FORGOTTEN_SECONDS = 900.0  # without another failure
REMEMBERED = 4096  # sources, and as many accounts; the oldest are forgotten first


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

    async def failed(self, source: str, account: str = "") -> None:
        """Somebody came with wrong credentials: return when they have waited long enough."""
        keys = [("source", source_of(source)), *([("account", account.casefold())] if account else [])]
        count = max(self._count(kind, name) for kind, name in keys)
        if count & (count - 1) == 0:  # 1, 2, 4, 8 ...: a flood fills no log
            log.warning("log-in refused", extra={"source": source, "failures": count})
        await self._clock.sleep(seconds_after(count))

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
