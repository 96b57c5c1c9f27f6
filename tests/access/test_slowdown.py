"""Failed log-ins wait, right ones never; whoever fails cannot make us remember without end."""

from __future__ import annotations

import asyncio

import pytest

from pushd.access import slowdown
from pushd.access.slowdown import FORGOTTEN_SECONDS, LONGEST_SECONDS, Slowdown, seconds_after
from pushd.access.turns import TooManyAttempts
from pushd.kit.addresses import source_of
from tests.fakes import FakeClock, InstantClock

HERE, THERE = "192.0.2.1", "198.51.100.7"


def test_it_grows_to_two_seconds_and_no_further() -> None:
    assert [seconds_after(n) for n in range(1, 8)] == [0.125, 0.25, 0.5, 1.0, 2.0, 2.0, 2.0]
    assert seconds_after(10**9) == LONGEST_SECONDS == 2.0


async def test_each_failure_of_a_source_costs_more_whoever_it_tries() -> None:
    clock = InstantClock()
    slow = Slowdown(clock)
    for account in ("", "ada@example.com", "ben@example.com", ""):
        await slow.failed(HERE, account)
    await slow.failed(THERE)

    assert clock.slept == [0.125, 0.25, 0.5, 1.0, 0.125]


async def test_each_failure_of_an_account_costs_more_wherever_it_comes_from() -> None:
    clock = InstantClock()
    slow = Slowdown(clock)
    for number, name in enumerate(("ada@example.com", "Ada@Example.com", "ADA@EXAMPLE.COM")):
        await slow.failed(f"192.0.2.{number}", name)
    await slow.failed("192.0.2.9", "ben@example.com")

    assert clock.slept == [0.125, 0.25, 0.5, 0.125]


async def test_who_comes_at_the_same_time_does_not_come_cheaper() -> None:
    clock = FakeClock()
    slow = Slowdown(clock)
    attempts = [asyncio.ensure_future(slow.failed(HERE)) for _ in range(6)]
    await asyncio.sleep(0)

    await clock.advance(1.0)
    assert [each.done() for each in attempts] == [True] * 4 + [False] * 2
    await clock.advance(1.0)
    await asyncio.gather(*attempts)


async def test_failures_are_forgotten_after_a_while_without_any() -> None:
    clock = InstantClock()
    slow = Slowdown(clock)
    for pause in (0, FORGOTTEN_SECONDS - 1, FORGOTTEN_SECONDS):
        clock.tick(pause)
        await slow.failed(HERE)

    assert clock.slept == [0.125, 0.25, 0.125]


async def test_the_memory_is_bounded_and_the_latest_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowdown, "REMEMBERED", 50)
    clock = InstantClock()
    slow = Slowdown(clock)
    for number in range(1000):
        await slow.failed(f"10.0.{number // 250}.{number % 250}", f"user{number}@example.com")
    await slow.failed(f"10.0.{999 // 250}.{999 % 250}")

    assert len(slow._by) == 100
    assert clock.slept[-1] == 0.25


@pytest.mark.parametrize(
    ("address", "source"),
    [(HERE, HERE), ("::ffff:192.0.2.1", HERE), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
     ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
     ("fe80::1%eth0", "fe80::/64"), ("a local socket", "a local socket"), ("", "")],
)  # fmt: skip
def test_what_is_one_source(address: str, source: str) -> None:
    assert source_of(address) == source


async def test_a_flood_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    slow = Slowdown(InstantClock())
    for _ in range(100):
        await slow.failed(HERE, "ada@example.com")

    assert [vars(each)["failures"] for each in caplog.records] == [1, 2, 4, 8, 16, 32, 64]
    assert "ada@" not in str([vars(each) for each in caplog.records])  # a password may have been typed there


async def test_of_many_who_wait_the_oldest_of_their_source_is_told_so_and_nobody_else() -> None:
    """Each holds a connection."""
    clock = FakeClock()
    slow = Slowdown(clock)
    elsewhere = asyncio.ensure_future(slow.failed(THERE))
    crowd = [asyncio.ensure_future(slow.failed(HERE)) for _ in range(slowdown.WAITING_PER_SOURCE + 20)]

    for each in crowd[:20]:
        with pytest.raises(TooManyAttempts):
            await each
    assert not [each for each in (elsewhere, *crowd[20:]) if each.done()]
    await clock.advance(LONGEST_SECONDS)
    await asyncio.gather(elsewhere, *crowd[20:])
    assert slow._waiting == {}


async def test_a_name_that_is_no_address_takes_no_more_room_than_one() -> None:
    slow = Slowdown(InstantClock())
    await slow.failed(HERE, "a@" + "x" * 100_000)

    assert max(len(name) for _, name in slow._by) == 254
