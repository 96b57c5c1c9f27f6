"""Who makes room where too many strangers wait."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from pushd.kit.addresses import source_of
from pushd.kit.crowd import Crowd, plan_room

ALL, EACH = 100, 10


def plan(waiting: Mapping[int, str], source: str) -> int | None:
    return plan_room(waiting, source, at_most=ALL, per_source=EACH)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_source_is_an_address_or_a_network(address: str, source: str) -> None:
    assert source_of(address) == source


def test_nobody_goes_while_there_is_room() -> None:
    assert plan({}, "a") is None
    assert plan(dict.fromkeys(range(EACH - 1), "a"), "a") is None


def test_a_source_makes_room_for_itself() -> None:
    waiting = {-1: "b"} | dict.fromkeys(range(EACH), "a")

    assert plan(waiting, "a") == 0
    assert plan(waiting, "b") is None


def test_when_all_are_many_the_most_crowded_source_gives() -> None:
    waiting = {n: f"source {n}" for n in range(ALL - 2)} | {1000: "crowd", 1001: "crowd"}

    assert plan(waiting, "new") == 1000


LONG_SECONDS = 3600.0


class Gathering:
    """A crowd, and who was dismissed from it, in order."""

    def __init__(self, *, per_source: int = 3, at_most: int = 6) -> None:
        self.crowd = Crowd(per_source=per_source, at_most=at_most)
        self.dismissed: list[str] = []
        self.gone: set[str] = set()

    def come(self, *names: str) -> None:
        """The letter of a name is its source."""
        for name in names:
            self.crowd.enter(
                name,
                name[0],
                within=LONG_SECONDS,
                dismiss=lambda name=name: self.dismissed.append(name),
                is_gone=lambda name=name: name in self.gone,
            )


async def test_a_source_makes_room_itself_and_its_oldest_goes() -> None:
    gathering = Gathering()
    gathering.come("b1", "a1", "a2", "a3", "a4", "a5")
    assert gathering.dismissed == ["a1", "a2"]
    gathering.crowd.leave("a3")
    gathering.come("a6")
    assert gathering.dismissed == ["a1", "a2"]
    gathering.crowd.close()


async def test_where_there_are_too_many_in_all_the_source_with_most_makes_room() -> None:
    gathering = Gathering()
    gathering.come("a1", "b1", "b2", "b3", "c1", "c2")
    gathering.come("d1")
    assert gathering.dismissed == ["b1"]
    assert len(gathering.crowd) == 6
    gathering.crowd.close()


async def test_one_that_has_ended_by_itself_makes_room_first_and_who_comes_again_is_young() -> None:
    gathering = Gathering()
    gathering.come("a1", "a2", "a3")
    gathering.gone.add("a2")
    gathering.come("a4")
    assert gathering.dismissed == []
    gathering.come("a1", "a5")
    assert gathering.dismissed == ["a3"]
    gathering.crowd.close()


async def test_who_is_late_is_told() -> None:
    crowd, told = Crowd(per_source=1, at_most=1), asyncio.Event()
    crowd.enter("a", "a", within=0.0, dismiss=lambda: None, when_late=told.set)
    await told.wait()
    assert len(crowd) == 0
