"""The life of one dyno: its table of states, crashes and the way back."""

from __future__ import annotations

import itertools

import pytest

from pushd.model.dyno import MOVES, DynoEvent, DynoState
from pushd.model.routing import WebState
from pushd.runner.dyno import moved
from pushd.runner.schedulers import CannotStart, NoRoom
from tests.runner.conftest import SERVE, Room


def test_every_state_is_reachable_and_down_is_the_end() -> None:
    reached = {DynoState.STARTING}
    for _ in DynoState:
        reached |= {after for (before, _), after in MOVES.items() if before in reached}

    assert reached == set(DynoState)
    assert {moved(DynoState.DOWN, event) for (state, event) in MOVES if state is DynoState.DOWN} == {DynoState.DOWN}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(DynoState, DynoEvent)))
def test_moves_that_the_table_does_not_have_are_refused(state: DynoState, event: DynoEvent) -> None:
    if (state, event) in MOVES:
        assert moved(state, event) is MOVES[(state, event)]
    else:
        with pytest.raises(RuntimeError, match=f"a dyno that is {state}"):
            moved(state, event)


async def test_a_web_dyno_that_crashes_leaves_the_table_at_once_and_comes_back_by_itself(room: Room) -> None:
    await room.deploy(room.launch({"web": 2}))
    before = room.id_of("web.1")
    room.traffic.routes.clear()

    room.scheduler.named("web.1").kill()
    await room.happened.has("heroku[web.1]: State changed from starting to up", times=2)
    await room.happened.has("route serving web.1,web.2", times=2)

    without, again = room.traffic.routes[0], room.traffic.routes[-1]
    assert [target.name for target in without[0]] == ["web.2"]
    assert [target.name for target in again[0]] == ["web.1", "web.2"]
    assert str(before) not in {target.dyno_id for target in again[0]}
    log = room.log
    assert log.index("Process exited with status 137") < log.index("State changed from up to crashed")
    assert "State changed from crashed to starting" in log
    assert set(room.rows.rows) == {room.id_of("web.1"), room.id_of("web.2")}


async def test_a_dyno_that_keeps_crashing_backs_off_and_visitors_are_told(room: Room) -> None:
    await room.deploy(room.launch(web=f"[ -e broken ] && exit 5; {SERVE}"))
    broken = room.layout.slug("c" * 64) / "broken"
    broken.touch()

    room.scheduler.named("web.1").kill()  # the first crash: started again at once
    await room.happened.has("Process exited with status 5", times=1)  # the second: 5 seconds
    assert room.states == {"web.1": "cooling"}
    assert room.traffic.routes[-1] == ((), WebState.CRASHED)
    await room.clock.skip(5)
    await room.happened.has("Process exited with status 5", times=2)
    broken.unlink()
    await room.clock.skip(10)
    await room.happened.has("route serving web.1", times=2)

    assert room.states == {"web.1": "up"}


async def test_a_healthy_while_starts_the_count_of_crashes_anew(room: Room) -> None:
    await room.deploy(room.launch())
    for times in range(2, 5):
        room.clock.advance(60)
        room.scheduler.named("web.1").kill()
        await room.happened.has("heroku[web.1]: State changed from starting to up", times=times)

    assert [seconds for seconds in room.clock.sleeps if seconds != 4] == []  # 4: the memory watch


async def test_any_exit_is_a_crash_status_0_too_and_workers_come_back_as_well(room: Room) -> None:
    await room.deploy(room.launch({"clock": 1, "web": 0}, clock="echo tick"))

    await room.happened.has("heroku[clock.1]: Process exited with status 0", times=2)
    await room.clock.skip(5)
    await room.happened.has("app[clock.1]: tick", times=3)


async def test_a_start_that_the_machine_refuses_is_tried_again(room: Room) -> None:
    room.scheduler.refuses.append(CannotStart("no memory for a process"))

    await room.deploy(room.launch({"clock": 1, "web": 0}, clock="exec sleep 600"))

    await room.happened.has("heroku[clock.1]: State changed from starting to up")
    assert "heroku[clock.1]: no memory for a process" in room.log


async def test_on_a_full_disk_a_start_is_tried_every_ten_seconds_however_often_it_was_refused(room: Room) -> None:
    room.scheduler.refuses += [NoRoom("the disk is full")] * 6

    await room.deploy(room.launch({"clock": 1, "web": 0}, clock="exec sleep 600"))

    for pause in (5, 10, 10, 10, 10):
        await room.clock.skip(pause)
    await room.happened.has("heroku[clock.1]: State changed from starting to up")


async def test_a_dyno_that_cannot_be_watched_is_ended_before_another_takes_its_place(room: Room) -> None:
    room.scheduler.unwatchable = 2  # the machine is out of descriptors
    launch = room.launch({"worker": 1}, worker="exec sleep 600")
    room.runner.replace_rest_soon(launch)

    await room.clock.skip(1)
    await room.happened.has("heroku[worker.1]: State changed from starting to up")

    first, second = room.scheduler.handles
    assert not first.alive
    assert second.alive
    assert "heroku[worker.1]: Process exited with status 137" in room.log


async def test_a_crash_during_the_drain_is_the_end(room: Room) -> None:
    room.traffic.holds_drains = True
    await room.deploy(room.launch())
    old = room.scheduler.named("web.1")
    await room.deploy(room.launch(number=2))
    await room.happened.has(f"draining {old.dyno_id}")

    old.kill()
    await room.happened.has("Process exited with status 137")

    room.traffic.drains[old.dyno_id].set()
    assert room.scheduler.running == ["web.1"]
    assert len(room.scheduler.handles) == 2


async def test_a_crashed_dyno_that_is_replaced_is_not_started_again(room: Room) -> None:
    await room.deploy(room.launch(web=f"[ -e broken ] && exit 5; {SERVE}"))
    (room.layout.slug("c" * 64) / "broken").touch()
    room.scheduler.named("web.1").kill()
    await room.happened.has("Process exited with status 5")

    await room.deploy(room.launch(number=2))

    assert room.states == {"web.1": "up"}
    assert room.scheduler.running == ["web.1"]


async def test_a_child_that_outlives_the_program_is_ended_with_it(room: Room) -> None:
    await room.deploy(room.launch({"clock": 1, "web": 0}, clock="sleep 600 & echo $! > pid; exec sleep 601"))
    await room.happened.has("State changed from starting to up")

    room.scheduler.named("clock.1").terminate()

    await room.happened.has("Process exited with status 143")
