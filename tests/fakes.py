"""Stand-ins that more than one room's tests use."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from pushd.kit.uids import UNUSED
from pushd.sandbox.sandbox import Sandbox
from pushd.settings import SETTINGS, Settings


class FakeClock:
    """A `kit.clock.Clock` that stands still until `advance`; sleepers wake in the order of their time."""

    def __init__(self, start: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), waker))
        await waker

    @property
    def sleepers(self) -> int:
        """How many wait now."""
        return sum(not waker.done() for _, _, waker in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Let so much time pass; whoever wakes meanwhile runs at its own moment, and may sleep again."""
        end = self._elapsed + seconds
        await _let_others_run()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._elapsed, _, waker = heapq.heappop(self._sleepers)
            if not waker.done():
                waker.set_result(None)
            await _let_others_run()
        self._elapsed = end

    def tick(self, seconds: float = 1.0) -> None:
        """Let time pass for tests without sleepers."""
        self._elapsed += seconds


class InstantClock(FakeClock):
    """One whose sleepers never wait; `slept` holds for how long they would have."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


def settings_in(data_dir: Path, **changes: Any) -> Settings:
    """The daemon's defaults for this data folder, with some of them changed."""
    values = {row.name: data_dir if row.default is None else row.parse(row.default) for row in SETTINGS}
    return Settings(**{**values, **changes})


async def _let_others_run() -> None:
    for _ in range(10):  # a few rounds: a woken task may wake another
        await asyncio.sleep(0)


IS_ROOT = os.geteuid() == 0
USER = UNUSED.last if IS_ROOT else None  # whom programs of apps run as in tests; only root can choose


@dataclass(frozen=True)
class FixedUids:
    """The same uid for every app, if the sandbox gives them users of their own."""

    sandbox: Sandbox

    async def uid_of(self, app_id: UUID) -> int | None:
        return USER if self.sandbox.way.own_users else 0 if IS_ROOT else None
