"""Who makes room when too many connections have no login."""

from __future__ import annotations

import pytest

from pushd.kit.addresses import source_of
from pushd.ssh.bounds import UNKNOWN_AT_MOST, UNKNOWN_PER_SOURCE, plan_room


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
    assert plan_room({}, "a") is None
    assert plan_room(dict.fromkeys(range(UNKNOWN_PER_SOURCE - 1), "a"), "a") is None


def test_a_source_makes_room_for_itself() -> None:
    waiting = {-1: "b"} | dict.fromkeys(range(UNKNOWN_PER_SOURCE), "a")

    assert plan_room(waiting, "a") == 0
    assert plan_room(waiting, "b") is None


def test_when_all_are_many_the_most_crowded_source_gives() -> None:
    waiting = {n: f"source {n}" for n in range(UNKNOWN_AT_MOST - 2)} | {1000: "crowd", 1001: "crowd"}

    assert plan_room(waiting, "new") == 1000
