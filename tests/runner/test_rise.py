"""Stand-ins, and the daemon's start: web dynos that keep trying until they are ready."""

from __future__ import annotations

import pytest

from pushd.errors import BootFailed
from pushd.model.launch import Launch
from pushd.model.routing import WebState
from tests.runner.conftest import SERVE, Room

BROKEN_UNTIL_MENDED = f"[ -e mended ] || exit 5; {SERVE}"


def mend(room: Room) -> None:
    (room.layout.slug("c" * 64) / "mended").touch()


async def on_ready(room: Room, launch: Launch) -> None:
    room.happened.add(f"ready v{launch.release.number}")


async def test_a_stand_in_keeps_trying_and_takes_traffic_when_it_is_ready(room: Room) -> None:
    launch = room.launch(web=BROKEN_UNTIL_MENDED)

    room.runner.keep_trying(launch, lambda ready: on_ready(room, ready))
    await room.happened.has("Process exited with status 5", times=2)
    assert room.traffic.routes[0] == ((), WebState.BOOTING)
    await room.happened.has("route crashed")
    mend(room)
    await room.clock.skip(5)

    await room.happened.has("ready v1")
    await room.happened.has("route serving web.1")
    assert room.states == {"web.1": "up"}


async def test_each_dyno_takes_traffic_as_soon_as_it_is_ready_and_the_word_comes_when_all_are(room: Room) -> None:
    launch = room.launch({"web": 2}, web=f"[ $DYNO = web.2 ] && [ ! -e mended ] && exit 5; {SERVE}")

    room.runner.keep_trying(launch, lambda ready: on_ready(room, ready))
    await room.happened.has("route serving web.1")
    await room.happened.has("heroku[web.2]: Process exited with status 5", times=2)
    assert "ready" not in room.happened.items
    mend(room)
    await room.clock.skip(5)

    await room.happened.has("ready v1")
    await room.happened.has("route serving web.1,web.2")


async def test_asked_again_for_the_same_epoch_it_starts_nothing_twice(room: Room) -> None:
    launch = room.launch()
    for _ in range(3):
        room.runner.keep_trying(launch, lambda ready: on_ready(room, ready))

    await room.happened.has("ready v1")

    assert len(room.scheduler.handles) == 1
    assert room.happened.items.count("ready v1") == 1


async def test_a_newer_stand_in_replaces_the_older_one(room: Room) -> None:
    room.runner.keep_trying(room.launch(web="exit 5"), lambda ready: on_ready(room, ready))
    await room.happened.has("Process exited with status 5", times=2)

    room.runner.keep_trying(room.launch(number=2), lambda ready: on_ready(room, ready))
    await room.happened.has("ready v2")

    assert [dyno.epoch.release_number for dyno in room.runner.dynos(room.app.id)] == [2]
    assert "ready v1" not in room.happened.items


async def test_a_deploy_that_succeeds_ends_the_stand_in(room: Room) -> None:
    room.runner.keep_trying(room.launch(web="exit 5"), lambda ready: on_ready(room, ready))
    await room.happened.has("Process exited with status 5", times=2)

    await room.deploy(room.launch(number=2))

    assert [target.name for target in room.traffic.routes[-1][0]] == ["web.1"]
    assert [dyno.epoch.release_number for dyno in room.runner.dynos(room.app.id)] == [2]


async def test_a_deploy_that_fails_lets_the_stand_in_go_on(room: Room) -> None:
    room.runner.keep_trying(room.launch(web=BROKEN_UNTIL_MENDED), lambda ready: on_ready(room, ready))
    await room.happened.has("Process exited with status 5", times=2)
    booted = room.nursery.start(room.runner.boot_web(room.launch(number=2, web="exit 6"), room.said.append), name="boot")
    await room.happened.has("Process exited with status 6")
    mend(room)

    await room.clock.skip(5)

    await room.happened.has("ready v1")
    with pytest.raises(BootFailed, match="status 6"):
        await booted


async def test_without_web_dynos_there_is_nothing_to_wait_for(room: Room) -> None:
    room.runner.keep_trying(room.launch({"web": 0}), lambda ready: on_ready(room, ready))

    await room.happened.has("ready v1")
    await room.happened.has("route none")
