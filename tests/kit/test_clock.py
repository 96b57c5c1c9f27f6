"""The system's clock keeps the promises of `Clock`; the fake one moves only when told."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from pushd.kit.aio import Nursery
from pushd.kit.clock import Clock, SystemClock
from tests.fakes import FakeClock


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock()], ids=["system", "fake"])
async def test_a_clock_tells_utc_and_never_goes_back(clock: Clock) -> None:
    first, second = clock.now(), clock.now()
    assert first.utcoffset() == timedelta(0)
    assert first.tzinfo is second.tzinfo
    before = clock.monotonic()
    await clock.sleep(0)
    assert clock.monotonic() >= before


async def test_sleepers_of_the_fake_clock_wake_at_their_own_time(clock: FakeClock) -> None:
    woken: list[tuple[str, float]] = []

    async def sleep(name: str, *seconds: float) -> None:
        for each in seconds:
            await clock.sleep(each)
            woken.append((name, clock.monotonic()))

    async with Nursery("test") as nursery:
        nursery.start(sleep("long", 10), name="long")
        nursery.start(sleep("twice", 2, 3), name="twice")
        await clock.advance(1.5)
        assert (woken, clock.sleepers) == ([], 2)

        await clock.advance(8.5)

        assert woken == [("twice", 2), ("twice", 5), ("long", 10)]
        assert clock.now() == FakeClock().now() + timedelta(seconds=10)


async def test_a_cancelled_sleeper_is_forgotten(clock: FakeClock) -> None:
    async with Nursery("test") as nursery:
        sleeper = nursery.start(clock.sleep(5), name="sleeper")
        await asyncio.sleep(0)
        sleeper.cancel()
        await asyncio.wait([sleeper])
        assert clock.sleepers == 0

    await clock.advance(10)
