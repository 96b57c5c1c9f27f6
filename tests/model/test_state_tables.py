"""One state, one table: every state is reached, and what the table lacks is no move."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from pushd.model import dyno, release
from pushd.model.dyno import DynoEvent, DynoState, shown_state
from pushd.model.release import ReleaseEvent, ReleaseStatus

Table = Mapping[tuple[Any, Any], Any]
TABLES = [
    pytest.param(dyno.MOVES, DynoState, DynoEvent, DynoState.STARTING, id="dyno"),
    pytest.param(release.MOVES, ReleaseStatus, ReleaseEvent, ReleaseStatus.PENDING, id="release"),
]


def reached_from(moves: Table, start: StrEnum) -> set[StrEnum]:
    reached, fresh = {start}, [start]
    while fresh:
        state = fresh.pop()
        after = {to for (origin, _), to in moves.items() if origin == state} - reached
        reached |= after
        fresh += after
    return reached


@pytest.mark.parametrize(("moves", "states", "events", "start"), TABLES)
def test_every_state_is_reached_and_every_event_does_something(
    moves: Table, states: type[StrEnum], events: type[StrEnum], start: StrEnum
) -> None:
    assert reached_from(moves, start) == set(states)
    assert {event for _, event in moves} == set(events)


@pytest.mark.parametrize(("moves", "states", "events", "start"), TABLES)
def test_a_table_cannot_be_changed(moves: Any, states: type[StrEnum], events: type[StrEnum], start: StrEnum) -> None:
    with pytest.raises(TypeError):
        moves[start, next(iter(events))] = start


@pytest.mark.parametrize("state", DynoState)
def test_every_dyno_can_be_stopped_and_ends_down(state: DynoState) -> None:
    stopped = dyno.MOVES[state, DynoEvent.STOP]
    assert stopped in (DynoState.STOPPING, DynoState.KILLING, DynoState.DOWN)
    assert dyno.MOVES.get((stopped, DynoEvent.EXITED), stopped) is DynoState.DOWN
    assert reached_from(dyno.MOVES, stopped) <= {DynoState.STOPPING, DynoState.KILLING, DynoState.DOWN}  # never starts again


def test_a_dyno_that_is_down_stays_down() -> None:
    assert reached_from(dyno.MOVES, DynoState.DOWN) == {DynoState.DOWN}


@pytest.mark.parametrize("state", DynoState)
def test_users_see_four_words(state: DynoState) -> None:
    assert shown_state(state) in ("starting", "up", "crashed", "down")


def test_a_release_ends_once_and_only_a_failed_one_may_rise() -> None:
    assert reached_from(release.MOVES, ReleaseStatus.SUCCEEDED) == {ReleaseStatus.SUCCEEDED}
    assert reached_from(release.MOVES, ReleaseStatus.EXPIRED) == {ReleaseStatus.EXPIRED}
    assert reached_from(release.MOVES, ReleaseStatus.FAILED) == {ReleaseStatus.FAILED, ReleaseStatus.SUCCEEDED}
