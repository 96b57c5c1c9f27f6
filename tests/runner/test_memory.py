"""R14 and R15."""

from __future__ import annotations

import pytest

from pushd.errors import BootFailed
from pushd.runner.memory import Verdict, judge
from pushd.runner.schedulers import Memory
from tests.runner.conftest import Room
from tests.runner.test_adoption import next_daemon, ready

MB = 1 << 20


@pytest.mark.parametrize(
    ("rss", "scratch", "verdict"),
    [(512, 0, Verdict.FINE), (500, 13, Verdict.OVER), (1024, 0, Verdict.OVER), (1000, 25, Verdict.VASTLY_OVER)],
)
def test_processes_and_scratch_files_count_together(rss: int, scratch: int, verdict: Verdict) -> None:
    assert judge(Memory(rss * MB, scratch * MB), 512 * MB, 4096 * MB) is verdict


def test_no_dyno_takes_all_of_a_small_machine() -> None:
    assert judge(Memory(760 * MB, 0), 512 * MB, 1024 * MB) is Verdict.OVER
    assert judge(Memory(770 * MB, 0), 512 * MB, 1024 * MB) is Verdict.VASTLY_OVER


def test_what_is_in_swap_counts_too() -> None:
    assert judge(Memory(500 * MB, 0, 500 * MB), 512 * MB, 4096 * MB) is Verdict.OVER
    assert judge(Memory(500 * MB, 0, 530 * MB), 512 * MB, 4096 * MB) is Verdict.VASTLY_OVER


async def test_a_dyno_over_its_quota_is_told_now_and_then_and_runs_on(room: Room) -> None:
    await room.deploy(room.launch(memory="100M"))
    room.scheduler.named("web.1").taken = Memory(110 * MB, 10 * MB)

    for _ in range(7):
        await room.clock.skip(4)
    await room.happened.has("heroku[web.1]: Error R14 (Memory quota exceeded)", times=2)
    room.scheduler.named("web.1").taken = Memory(0, 0)

    assert "heroku[web.1]: Process running mem=120M(120.0%)" in room.log
    assert room.log.count("R14") == 2  # seven samples in 28 seconds
    assert room.states == {"web.1": "up"}


async def test_a_dyno_far_over_its_quota_is_killed_and_comes_back(room: Room) -> None:
    await room.deploy(room.launch(memory="100M"))
    room.scheduler.named("web.1").taken = Memory(201 * MB, 0)

    await room.clock.skip(4)
    await room.happened.has("State changed from starting to up", times=2)

    told = ["Process running mem=201M(201.0%)", "Error R15 (Memory quota vastly exceeded)", "Stopping process with SIGKILL"]
    assert "\n".join(f"heroku[web.1]: {line}" for line in told) in room.log
    assert "Process exited with status 137" in room.log


async def test_one_that_the_kernel_ended_for_its_memory_says_so(room: Room) -> None:
    await room.deploy(room.launch(memory="100M"))
    dyno = room.scheduler.named("web.1")
    dyno.out_of_memory = True
    dyno.kill()

    await room.happened.has("heroku[web.1]: Error R15 (Memory quota vastly exceeded)")
    await room.happened.has("heroku[web.1]: Process exited with status 137")
    await room.happened.has("State changed from starting to up", times=2)
    assert "Process running mem=200M(200.0%)\nheroku[web.1]: Error R15" in room.log


async def test_one_of_which_the_kernel_ended_a_part_is_ended(room: Room) -> None:
    await room.deploy(room.launch(memory="100M"))
    room.scheduler.named("web.1").out_of_memory = True
    room.scheduler.named("web.1").taken = Memory(35 * MB, 0)  # what is left

    await room.clock.skip(4)

    await room.happened.has("heroku[web.1]: Error R15 (Memory quota vastly exceeded)")
    await room.happened.has("State changed from starting to up", times=2)
    assert "heroku[web.1]: Process running mem=200M(200.0%)" in room.log
    assert room.log.count("R15") == 1


async def test_an_adopted_dyno_is_held_to_its_quota(room: Room) -> None:
    launch = room.launch(memory="100M")
    await room.deploy(launch)
    await ready(room, 1)
    await next_daemon(room, running=launch)
    room.scheduler.named("web.1").taken = Memory(201 * MB, 0)

    await room.clock.skip(4)
    await room.happened.has("heroku[web.1]: Error R15 (Memory quota vastly exceeded)")
    await room.happened.has("State changed from up to crashed")
    await room.happened.has("State changed from starting to up")


async def test_a_boot_that_takes_too_much_says_so(room: Room) -> None:
    launch = room.launch(web="echo begun; exec sleep 600", memory="100M")
    boot = room.nursery.start(room.runner.boot_web(launch, room.said.append), name="boot")
    await room.happened.has("app[web.1]: begun")
    room.scheduler.named("web.1").taken = Memory(300 * MB, 0)

    await room.clock.skip(4)

    why = r"web\.1 was ended while booting: it took far more memory than its quota of 100 MB \(R15\)"
    with pytest.raises(BootFailed, match=why):
        await boot


async def test_a_dyno_that_cannot_be_measured_keeps_no_other_from_being_measured(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.deploy(room.launch({"web": 2}, memory="100M"))

    def broken() -> Memory:
        raise OSError("no such process")

    monkeypatch.setattr(room.scheduler.named("web.1"), "memory", broken)
    room.scheduler.named("web.2").taken = Memory(150 * MB, 0)

    await room.clock.skip(4)

    await room.happened.has("heroku[web.2]: Error R14 (Memory quota exceeded)")


async def test_metrics_are_logged_every_20_seconds_if_the_app_wants_them(room: Room) -> None:
    await room.deploy(room.launch({"web": 1}, memory="100M", settings={"log-runtime-metrics": "on"}))
    room.scheduler.named("web.1").taken = Memory(30 * MB, MB // 2, MB)

    for _ in range(7):
        await room.clock.skip(4)
    sizes = ("total=31.50MB", "rss=30.00MB", "cache=0.50MB", "swap=1.00MB", "quota=100.00MB")
    await room.happened.has(" ".join(f"sample#memory_{size}" for size in sizes), times=2)

    assert room.log.count("sample#memory_total") == 2
    assert "heroku[web.1]: source=web.1 dyno=heroku." in room.log


async def test_metrics_are_not_logged_if_it_does_not(room: Room) -> None:
    await room.deploy(room.launch())

    for _ in range(6):
        await room.clock.skip(4)

    assert "sample#" not in room.log
