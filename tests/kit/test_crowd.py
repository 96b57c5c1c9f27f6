"""Who makes room where too many strangers wait."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pushd.kit.addresses import source_of
from pushd.kit.crowd import plan_room

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
