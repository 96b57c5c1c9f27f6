"""Who is next: nobody waits for more than one try of somebody else, and nothing is lost with those who give up."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from pushd.access.turns import WAITING_PER_SOURCE, TooManyAttempts, Turns, plan_room


class Busy:
    """Somebody has the turn until `end`; who comes meanwhile waits, and `order` says who came to it."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.order: list[str] = []
        self._over = asyncio.Event()
        self._first = asyncio.ensure_future(self._hold())

    async def _hold(self) -> None:
        async with self.turns.turn("192.0.2.99", "first"):
            await self._over.wait()

    async def come(self, address: str, account: str = "") -> asyncio.Task[None]:
        await asyncio.sleep(0)  # whoever holds the turn has it
        task = asyncio.ensure_future(self.take(address, account))
        await asyncio.sleep(0)
        return task

    async def take(self, address: str, account: str) -> None:
        async with self.turns.turn(address, account):
            self.order.append(f"{address} {account}".strip())
            await asyncio.sleep(0)

    async def end(self, *tasks: asyncio.Task[None]) -> list[BaseException | None]:
        self._over.set()
        await self._first
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert not self.turns._waiting
        assert not self.turns._is_taken
        return ended


async def test_sources_take_turns() -> None:
    busy = Busy()
    tasks = [await busy.come("eve", str(n)) for n in range(5)] + [await busy.come("ada"), await busy.come("ben")]

    await busy.end(*tasks)

    assert busy.order[:3] == ["eve 0", "ada", "ben"]
    assert busy.order[3:] == ["eve 1", "eve 2", "eve 3", "eve 4"]


async def test_a_network_of_ipv6_is_one_source() -> None:
    busy = Busy()
    tasks = [await busy.come(f"2001:db8:1:2::{n:x}", str(n)) for n in range(1, 11)]
    tasks.append(await busy.come("2001:db8:1:3::1"))

    await busy.end(*tasks)

    assert busy.order[1] == "2001:db8:1:3::1"


async def test_accounts_of_one_source_take_turns() -> None:
    """Behind a proxy all come from one."""
    busy = Busy()
    tasks = [await busy.come("proxy", "eve@example.com") for _ in range(8)]
    tasks.append(await busy.come("proxy", "ada@example.com"))

    await busy.end(*tasks)

    assert busy.order.index("proxy ada@example.com") == 1


async def test_a_crowd_makes_room_and_who_is_no_crowd_does_not() -> None:
    busy = Busy()
    tasks = [await busy.come("proxy", "eve@example.com") for _ in range(WAITING_PER_SOURCE + 20)]
    assert busy.turns.waiting == WAITING_PER_SOURCE
    ada = await busy.come("proxy", "Ada@example.com")
    elsewhere = await busy.come("198.51.100.1", "eve@example.com")
    assert busy.turns.waiting == WAITING_PER_SOURCE + 1

    ended = await busy.end(*tasks, ada, elsewhere)

    assert Counter(type(each) for each in ended) == {TooManyAttempts: 21, type(None): WAITING_PER_SOURCE + 1}
    assert ended[-2:] == [None, None]


async def test_who_gives_up_takes_no_turn_along() -> None:
    busy = Busy()
    one, two, three = await busy.come("a"), await busy.come("a"), await busy.come("b")
    one.cancel()
    await asyncio.sleep(0)
    three.cancel()

    await busy.end(one, two, three)

    assert busy.order == ["a"]


async def test_who_gives_up_in_the_moment_that_it_is_theirs_passes_it_on() -> None:
    turns, done = Turns(), list[str]()

    async def take(address: str) -> None:
        async with turns.turn(address, ""):
            done.append(address)

    async with turns.turn("x", ""):
        one, two = asyncio.ensure_future(take("a")), asyncio.ensure_future(take("b"))
        await asyncio.sleep(0)
    one.cancel()  # the turn is on its way there
    await asyncio.wait([one, two])

    assert done == ["b"]
    assert not turns._is_taken


@pytest.mark.parametrize("first", ["gives up", "makes room"])
async def test_who_gives_up_and_has_to_make_room_passes_nothing_on(first: str) -> None:
    busy = Busy()
    crowd = [await busy.come("proxy", "eve") for _ in range(WAITING_PER_SOURCE)]
    if first == "gives up":
        crowd[-1].cancel()
    ada = asyncio.ensure_future(busy.take("proxy", "ada"))
    if first == "makes room":
        asyncio.get_running_loop().call_soon(crowd[-1].cancel)
    await asyncio.sleep(0)
    assert busy.turns._is_taken

    await busy.end(*crowd, ada)

    assert Counter(busy.order) == {"proxy eve": WAITING_PER_SOURCE - 1, "proxy ada": 1}


@pytest.mark.parametrize(
    ("waiting", "account", "loser"),
    [
        ({}, "ada", None),
        ({"eve": WAITING_PER_SOURCE - 1}, "ada", None),
        ({"eve": WAITING_PER_SOURCE}, "ada", "eve"),
        ({"eve": WAITING_PER_SOURCE}, "eve", "eve"),
        ({"eve": WAITING_PER_SOURCE - 1, "ada": 1}, "ada", "eve"),
        (dict.fromkeys(map(str, range(WAITING_PER_SOURCE)), 1), "ada", "ada"),
    ],
)
def test_who_makes_room(waiting: dict[str, int], account: str, loser: str | None) -> None:
    assert plan_room(waiting, account) == loser
