"""What a starting runner does with dynos that it finds and cannot go on with."""

from __future__ import annotations

import logging
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from pushd.errors import DiskFull
from pushd.model.launch import Launch
from tests.runner.conftest import Room
from tests.runner.test_adoption import adopt, next_daemon, pids, ready


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


async def test_an_app_whose_dynos_cannot_be_gone_on_with_keeps_none_of_them_and_is_told(room: Room) -> None:
    bye = "trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 0.01; done"
    launch = room.launch({"web": 1, "clock": 1}, clock=bye)
    await room.deploy(launch)
    await room.happened.has("app[clock.1]: hello")
    await ready(room, 2)
    await room.runner.leave()
    for pipe in room.pipes.opened:
        pipe.abandon()
    clock = room.scheduler.named("clock.1")
    clock.terminate()
    await clock.wait()
    room.runner = room.another_runner()

    async def launch_of(app_id: UUID, release_id: UUID) -> Launch | None:
        raise RuntimeError("a config var that nobody can decrypt")

    await room.runner.adopt({room.app.id: launch}, launch_of)

    assert pids(room) == {}
    assert room.rows.rows == {}
    assert "app[clock.1]: bye" in room.happened.items  # what it said while no daemon ran
    (told,) = [each for each in room.happened.items if each.startswith("app[api]")]
    assert "had to end clock.1, web.1" in told
    assert "push again" in told


async def test_those_of_such_an_app_whose_output_cannot_be_read_end_too(room: Room) -> None:
    await room.deploy(room.launch())
    await room.runner.leave()
    room.runner, room.pipes.refuses = room.another_runner(), OSError("no more descriptors")

    async def launch_of(app_id: UUID, release_id: UUID) -> Launch | None:
        raise RuntimeError("a config var that nobody can decrypt")

    await room.runner.adopt({}, launch_of)

    assert pids(room) == {}
    assert room.rows.rows == {}
