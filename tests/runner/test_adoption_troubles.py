"""What a starting runner does with dynos that it finds and cannot go on with."""

from __future__ import annotations

import logging
from dataclasses import replace
from uuid import uuid4

import pytest

from pushd.errors import DiskFull
from tests.runner.conftest import Room
from tests.runner.test_adoption import adopt, next_daemon, pids


async def test_on_a_full_disk_the_next_daemon_goes_on_with_what_runs_and_forgets_the_rest_later(room: Room) -> None:
    launch = room.launch()
    await room.deploy(launch)
    before = pids(room)
    (row,) = room.rows.rows.values()
    gone = replace(row, id=uuid4())  # of another boot of the machine
    await room.rows.put(gone)
    room.rows.keeps = DiskFull("The disk is full.", remedy="Make room.")

    await next_daemon(room, running=launch)

    assert len(room.runner.routes()[room.app.id][0]) == 1
    room.rows.keeps = None
    await room.runner.leave()
    room.runner = room.another_runner()
    await adopt(room, running=launch)
    assert pids(room)["web.1"] == before["web.1"]
    assert list(room.rows.rows) == [row.id]


async def test_on_a_full_disk_a_dyno_that_nobody_owns_is_ended_and_forgotten_later(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    await room.deploy(room.launch())
    room.rows.keeps = DiskFull("The disk is full.", remedy="Make room.")

    with caplog.at_level(logging.ERROR):
        await next_daemon(room, running=None)

    assert pids(room) == {}
    assert [each.getMessage() for each in caplog.records] == ["cannot forget a dyno of an earlier daemon"]
    room.rows.keeps = None
    await next_daemon(room, running=None)
    assert room.rows.rows == {}
