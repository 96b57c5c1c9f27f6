"""Boot, switch, retire: what a push, a scale and a restart ask of the runner."""

from __future__ import annotations

import asyncio
import errno

import pytest

from pushd.errors import BootFailed, DiskFull, Unavailable
from pushd.model.dyno import DynoState
from pushd.model.routing import WebState
from pushd.runner.schedulers import CannotStart
from tests.runner.conftest import PYTHON, SERVE, Room


async def test_a_boot_answers_a_request_before_it_takes_traffic(room: Room) -> None:
    launch = room.launch()

    booted = await room.runner.boot_web(launch, room.said.append)

    assert [(dyno.name, dyno.state) for dyno in booted] == [("web.1", DynoState.UP)]
    assert room.said == ["-----> Booting web.1"]
    assert "app[web.1]: GET / HTTP/1.1 | Host: hello.localhost | User-Agent: pushd-probe" in room.log
    assert room.traffic.routes[-1] == ((), WebState.BOOTING)

    assert await room.runner.switch(launch, booted) == []

    (target,) = room.traffic.routes[-1][0]
    assert (target.dyno_id, target.name, target.port) == (str(booted[0].id), "web.1", booted[0].port)
    assert room.traffic.routes[-1][1] is WebState.SERVING
    row = room.rows.rows[booted[0].id]
    assert (row.name, row.type, row.port, row.epoch) == ("web.1", "web", booted[0].port, launch.epoch)


async def test_the_platform_tells_the_story_in_herokus_words(room: Room) -> None:
    await room.deploy(room.launch())
    await room.runner.stop_app(room.app.id)

    lines = [line for line in room.happened.items if line.startswith("heroku[")]
    assert lines == [
        f"heroku[web.1]: Starting process with command `{SERVE}`",
        "heroku[web.1]: State changed from starting to up",
        "heroku[web.1]: State changed from up to down",
        "heroku[web.1]: Stopping all processes with SIGTERM",
        "heroku[web.1]: Process exited with status 143",
    ]


async def test_old_dynos_serve_until_the_router_acknowledged_and_drained_them(room: Room) -> None:
    room.traffic.holds_drains = True
    await room.deploy(room.launch())
    old = room.id_of("web.1")
    room.happened.items.clear()

    await room.deploy(room.launch(number=2))
    await room.happened.has(f"draining {old}")

    assert room.scheduler.running == ["web.1", "web.1"]
    assert len(room.runner.dynos(room.app.id)) == 1  # the old one is on its way out
    room.traffic.drains[old].set()
    await room.happened.has("Process exited with status 143")
    order = ["route serving web.1", "acknowledged", f"draining {old}", f"drained {old}",
             "heroku[web.1]: Stopping all processes with SIGTERM"]  # fmt: skip
    assert [line for line in room.happened.items if line in order] == order


async def test_a_router_that_never_says_drained_does_not_keep_old_dynos_for_ever(room: Room) -> None:
    room.traffic.holds_drains = True
    await room.deploy(room.launch(settings={"drain-timeout-seconds": "20"}))
    await room.deploy(room.launch(number=2))

    await room.clock.skip(25)

    await room.happened.has("Process exited with status 143")


async def test_a_failed_boot_leaves_the_old_dynos_alone(room: Room) -> None:
    await room.deploy(room.launch())
    old = room.id_of("web.1")

    with pytest.raises(BootFailed, match=r"web\.1 exited with status 3 while booting"):
        await room.deploy(room.launch(number=2, web="echo Traceback; echo KeyError; exit 3"))

    assert room.said[-3:] == ["       Last output of web.1:", "       Traceback", "       KeyError"]
    assert [dyno.id for dyno in room.runner.dynos(room.app.id)] == [old]
    assert room.traffic.routes[-1][1] is WebState.SERVING
    assert room.scheduler.running == ["web.1"]


async def test_a_failed_boot_that_printed_nothing_has_no_last_output(room: Room) -> None:
    with pytest.raises(BootFailed):
        await room.deploy(room.launch(web="echo; exit 3"))

    assert not [line for line in room.said if "Last output" in line or not line.strip()]


async def test_one_failing_dyno_ends_all_of_its_boot(room: Room) -> None:
    web = f"case $DYNO in web.2) echo no; exit 1;; *) {SERVE};; esac"

    with pytest.raises(BootFailed, match=r"web\.2 exited with status 1"):
        await room.deploy(room.launch({"web": 3}, web=web))

    assert room.runner.dynos(room.app.id) == []
    await room.happened.has("route crashed")
    assert room.scheduler.running == []


async def test_a_cancelled_boot_ends_its_new_dynos(room: Room) -> None:
    boot = room.nursery.start(room.runner.boot_web(room.launch(web="echo up; exec sleep 600"), room.said.append), name="boot")
    await room.happened.has("app[web.1]: up")

    boot.cancel()

    with pytest.raises(asyncio.CancelledError):
        await boot
    assert room.scheduler.running == []


async def test_a_dyno_that_dies_between_boot_and_switch_moves_no_traffic(room: Room) -> None:
    await room.deploy(room.launch())
    launch = room.launch({"web": 2}, number=2)
    booted = await room.runner.boot_web(launch, room.said.append)
    room.scheduler.named("web.2").kill()
    await room.happened.has("heroku[web.2]: Process exited with status 137")
    routes = len(room.traffic.routes)

    with pytest.raises(BootFailed, match=r"web\.2 exited with status 137 \(SIGKILL\) right after it was ready"):
        await room.runner.switch(launch, booted)

    assert len(room.traffic.routes) == routes
    assert room.scheduler.running == ["web.1"]


async def test_a_switch_that_the_router_refuses_is_undone(room: Room) -> None:
    await room.deploy(room.launch())
    old = room.id_of("web.1")
    launch = room.launch(number=2)
    booted = await room.runner.boot_web(launch, room.said.append)
    room.traffic.refuses = Unavailable("no router")

    with pytest.raises(Unavailable):
        await room.runner.switch(launch, booted)

    room.traffic.refuses = None
    assert [dyno.id for dyno in room.runner.dynos(room.app.id)] == [old]
    assert room.scheduler.running == ["web.1"]


async def test_what_was_booted_and_never_switched_to_is_stopped_without_waiting_for_the_router(room: Room) -> None:
    room.traffic.holds_drains = True
    booted = await room.runner.boot_web(room.launch(), room.said.append)

    room.runner.retire_soon(booted)

    await room.happened.has("Process exited with status 143")
    assert "draining" not in room.log


async def test_scaling_up_starts_only_what_is_missing_and_scaling_down_retires_the_surplus(room: Room) -> None:
    await room.deploy(room.launch())
    first = room.id_of("web.1")

    await room.deploy(room.launch({"web": 3}))

    assert [target.name for target in room.traffic.routes[-1][0]] == ["web.1", "web.2", "web.3"]
    assert room.id_of("web.1") == first
    await room.deploy(room.launch({"web": 1}))
    await room.happened.has("Process exited with status 143", times=2)
    assert room.states == {"web.1": "up"}
    assert room.id_of("web.1") == first


async def test_scaling_to_zero_tells_the_router_first(room: Room) -> None:
    await room.deploy(room.launch())
    room.happened.items.clear()

    await room.deploy(room.launch({"web": 0}))
    await room.happened.has("Process exited with status 143")

    assert room.traffic.routes[-1] == ((), WebState.NONE)
    assert room.log.index("route none") < room.log.index("SIGTERM")
    assert room.runner.dynos(room.app.id) == []


async def test_an_app_without_web_has_nothing_to_boot(room: Room) -> None:
    launch = room.launch({"worker": 1}, worker="exec sleep 600")

    await room.deploy(launch)

    assert room.traffic.routes[-1] == ((), WebState.NONE)
    await room.happened.has("heroku[worker.1]: State changed from starting to up")
    assert room.states == {"worker.1": "up"}


async def test_other_types_are_stopped_before_their_successors_start(room: Room) -> None:
    await room.deploy(room.launch({"clock": 1, "web": 0}, clock="exec sleep 600"))
    await room.happened.has("heroku[clock.1]: State changed from starting to up")

    await room.deploy(room.launch({"clock": 1, "web": 0}, number=2, clock="exec sleep 601"))
    await room.happened.has("heroku[clock.1]: State changed from starting to up", times=2)

    log = room.log
    assert log.index("Process exited with status 143") < log.index("Starting process with command `exec sleep 601`")


async def test_of_two_quick_deploys_only_the_newest_starts_its_other_types(room: Room) -> None:
    for number in (1, 2, 3):
        room.runner.replace_rest_soon(room.launch({"clock": 1}, number=number, clock=f"exec sleep 60{number}"))

    await room.happened.has("heroku[clock.1]: State changed from starting to up")

    assert room.states == {"clock.1": "up"}
    assert "sleep 601" not in room.log
    assert "sleep 602" not in room.log


async def test_the_same_launch_again_starts_nothing(room: Room) -> None:
    launch = room.launch({"web": 1, "clock": 1}, clock="exec sleep 600")
    await room.deploy(launch)
    await room.happened.has("heroku[clock.1]: State changed from starting to up")

    await room.deploy(launch)

    assert room.scheduler.running == ["clock.1", "web.1"]
    assert len(room.scheduler.handles) == 2


async def test_a_restart_of_everything_is_a_new_epoch(room: Room) -> None:
    await room.deploy(room.launch())
    first = room.id_of("web.1")

    await room.deploy(room.launch(restarts=1))
    await room.happened.has("Process exited with status 143")

    assert room.id_of("web.1") != first
    assert room.states == {"web.1": "up"}


async def test_a_restart_by_name_replaces_web_with_overlap_and_others_without(room: Room) -> None:
    launch = room.launch({"web": 2, "clock": 1}, clock="exec sleep 600")
    await room.deploy(launch)
    await room.happened.has("heroku[clock.1]: State changed from starting to up")
    before = {name: room.id_of(name) for name in ("web.1", "web.2", "clock.1")}
    room.happened.items.clear()

    await room.runner.restart(launch, ["web.2", "clock.1"])
    await room.happened.has("Process exited with status 143", times=2)
    await room.happened.has("heroku[clock.1]: State changed from starting to up")

    after = {name: room.id_of(name) for name in before}
    assert [name for name in before if before[name] != after[name]] == ["web.2", "clock.1"]
    assert {target.dyno_id for target in room.traffic.routes[-1][0]} == {str(after["web.1"]), str(after["web.2"])}
    log = room.log
    assert log.index("heroku[web.2]: State changed from starting to up") < log.index("heroku[web.2]: Stopping all")
    assert log.index("heroku[clock.1]: Process exited") < log.index("heroku[clock.1]: Starting process")


async def test_a_restart_by_name_that_fails_leaves_the_old_dyno_serving(room: Room) -> None:
    launch = room.launch(web=f"[ -e broken ] && exit 7; {SERVE}")
    await room.deploy(launch)
    old = room.id_of("web.1")
    (room.layout.slug("c" * 64) / "broken").touch()

    with pytest.raises(BootFailed, match="status 7"):
        await room.runner.restart(launch, ["web.1"])

    assert [dyno.id for dyno in room.runner.dynos(room.app.id)] == [old]


async def test_a_stubborn_dyno_is_killed_when_its_grace_is_over(room: Room) -> None:
    stubborn = f'{PYTHON} -c "import signal; signal.signal(15, signal.SIG_IGN); print(1, flush=True); signal.pause()"'
    await room.deploy(room.launch({"clock": 1, "web": 0}, clock=stubborn, settings={"stop-timeout-seconds": "7"}))
    await room.happened.has("app[clock.1]: 1")

    await room.deploy(room.launch({"clock": 0, "web": 0}, number=2, clock=stubborn))
    await room.clock.skip(7)

    await room.happened.has("Process exited with status 137")
    r12 = "Error R12 (Exit timeout) -> At least one process failed to exit within 7 seconds of SIGTERM"
    assert f"heroku[clock.1]: {r12}\nheroku[clock.1]: Stopping remaining processes with SIGKILL" in room.log


async def test_stopping_everything_leaves_no_process_not_even_a_stubborn_one(room: Room) -> None:
    stubborn = "trap '' TERM; echo ready; while :; do sleep 600; done"
    await room.deploy(room.launch({"web": 1, "clock": 1}, clock=stubborn))
    await room.happened.has("app[clock.1]: ready")

    stop = room.nursery.start(room.runner.stop_all(), name="stop")
    await room.clock.skip(10)
    await stop

    assert room.scheduler.running == []
    with pytest.raises(Unavailable):
        await room.runner.boot_web(room.launch(number=2), room.said.append)


async def test_everything_can_be_stopped_after_those_who_waited_for_it_are_gone(room: Room) -> None:
    await room.deploy(room.launch())
    boot = room.nursery.start(room.runner.boot_web(room.launch(number=2, web="echo 1; exec sleep 600"), print), name="boot")
    await room.happened.has("app[web.1]: 1")

    await room.nursery.close()  # as the daemon does first
    assert boot.cancelled()
    assert room.scheduler.running == ["web.1"]
    await room.runner.stop_all()

    assert room.scheduler.running == []


async def test_an_app_that_is_stopped_starts_nothing_more(room: Room) -> None:
    await room.deploy(room.launch({"web": 1, "clock": 1}, clock="exec sleep 600"))

    await room.runner.stop_app(room.app.id)

    assert room.scheduler.running == []
    assert room.runner.dynos(room.app.id) == []
    await room.runner.stop_app(room.app.id)  # twice is fine


async def test_a_machine_that_cannot_start_a_dyno_fails_the_boot(room: Room) -> None:
    room.scheduler.refuses.append(CannotStart("no memory for a process", remedy="Stop something."))

    with pytest.raises(BootFailed, match="no memory for a process") as failure:
        await room.deploy(room.launch())

    assert failure.value.remedy == "Stop something."


async def test_a_dyno_that_cannot_be_remembered_does_not_run(room: Room) -> None:
    room.rows.refuses = DiskFull("the disk is full")

    with pytest.raises(BootFailed, match="the disk of the server is full"):
        await room.deploy(room.launch())

    assert room.scheduler.running == []


async def test_a_dyno_whose_output_cannot_be_read_does_not_run(room: Room) -> None:
    room.pipes.refuses = OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BootFailed, match=r"Cannot start web\.1: the disk of the server is full") as failure:
        await room.deploy(room.launch())

    assert "Make room" in failure.value.remedy
    assert room.scheduler.running == []
