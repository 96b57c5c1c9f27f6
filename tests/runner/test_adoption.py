"""The next daemon goes on with the dynos that this one leaves, and ends what nobody owns."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from pushd.model.dyno import DynoRole, DynoRow, DynoState, Epoch
from pushd.model.launch import Launch
from pushd.model.routing import WebState
from pushd.runner.plan import Fate, plan_adoption
from pushd.runner.runner import Runner
from tests.runner.conftest import NOW, Room


async def next_daemon(room: Room, *launches: Launch, running: Launch | None) -> Runner:
    """Leaves the runner, and makes the next one adopt; `launches` are all releases that there are."""
    await room.runner.leave()
    room.happened.items.clear()
    room.runner = room.another_runner()
    await adopt(room, *launches, running=running)
    return room.runner


async def adopt(room: Room, *launches: Launch, running: Launch | None) -> None:
    known: Mapping[UUID, Launch] = {launch.release.id: launch for launch in (*launches, running) if launch}

    async def launch_of(app_id: UUID, release_id: UUID) -> Launch | None:
        await asyncio.sleep(0)  # the store takes a while
        return known.get(release_id)

    await room.runner.adopt({room.app.id: running} if running else {}, launch_of)


async def ready(room: Room, count: int) -> None:
    """Return once so many dynos are written down as up."""
    while sum(row.ready_at is not None for row in room.rows.rows.values()) < count:  # noqa: ASYNC110 - the store tells nobody
        await asyncio.sleep(0)


def pids(room: Room) -> dict[str, int]:
    """Of the programs that run, by the dyno's name."""
    return {handle.start.name: handle._process.pid for handle in room.scheduler.handles if handle.alive}


async def test_dynos_of_every_type_go_on_with_the_same_pids(room: Room) -> None:
    launch = room.launch({"web": 2, "clock": 1}, clock="exec sleep 600")
    await room.deploy(launch)
    await room.happened.has("State changed from starting to up", times=3)
    detached = await room.runner.start_detached(launch, "exec sleep 600")
    before, shown = pids(room), room.runner.dynos(room.app.id)

    runner = await next_daemon(room, running=launch)

    assert runner.dynos(room.app.id) == shown
    assert {each.state for each in shown} == {DynoState.UP}
    await raised(room, launch)
    runner.replace_rest_soon(launch)
    await runner.start_detached(launch, "true")  # time for whatever should not happen
    await room.happened.has("Process exited with status 0")
    assert pids(room) == before
    assert detached.name in before
    assert "Stopping all processes with SIGTERM" not in room.log


async def raised(room: Room, launch: Launch) -> None:
    """What the daemon's start does for an app, to its end."""
    up = asyncio.Event()

    async def on_ready(_: Launch) -> None:
        up.set()

    room.runner.keep_trying(launch, on_ready)
    await up.wait()


async def test_visitors_are_served_from_the_first_table_on(room: Room) -> None:
    launch = room.launch()
    await room.deploy(launch)
    targets, state = room.traffic.routes[-1]
    assert state is WebState.SERVING

    runner = await next_daemon(room, running=launch)

    assert runner.routes() == {room.app.id: (targets, WebState.SERVING)}


async def test_the_router_is_told_nothing_before_all_dynos_of_an_app_are_known(room: Room) -> None:
    launch = room.launch({"web": 1, "clock": 1}, clock="exec sleep 600")
    await room.deploy(launch)
    await ready(room, 2)

    runner = await next_daemon(room, running=launch)

    assert not [each for each in room.happened.items if each.startswith("route")]
    assert runner.routes()[room.app.id][1] is WebState.SERVING


async def test_an_adopted_dyno_that_crashes_comes_back(room: Room) -> None:
    launch = room.launch()
    await room.deploy(launch)
    await next_daemon(room, running=launch)
    await raised(room, launch)
    first = pids(room)["web.1"]

    os.kill(first, signal.SIGKILL)

    await room.happened.has("heroku[web.1]: State changed from up to crashed")
    await room.happened.has("heroku[web.1]: State changed from starting to up")
    assert pids(room)["web.1"] != first


async def test_a_dyno_that_ended_while_no_daemon_ran_is_told_of_and_booted_again(room: Room) -> None:
    launch = room.launch({"clock": 1, "web": 1}, clock="trap 'echo bye; exit 4' TERM; echo hello; while :; do sleep 0.01; done")
    await room.deploy(launch)
    await room.happened.has("app[clock.1]: hello")
    await ready(room, 2)
    await room.runner.leave()
    room.happened.items.clear()
    clock = room.scheduler.named("clock.1")
    clock.terminate()
    await clock.wait()

    room.runner = room.another_runner()
    await adopt(room, running=launch)

    await room.happened.has("app[clock.1]: bye")
    await room.happened.has("heroku[clock.1]: Process exited with status 4")
    await room.happened.has("heroku[clock.1]: State changed from up to crashed")
    await room.happened.has("app[clock.1]: hello")


async def test_a_port_that_somebody_else_took_meanwhile_gets_no_traffic(room: Room) -> None:
    launch = room.launch()
    await room.deploy(launch)
    web = room.scheduler.named("web.1")
    port = int(web.start.environ["PORT"])
    await room.runner.leave()
    web.kill()
    await web.wait()
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", port))
        thief.listen()

        room.runner = room.another_runner()
        await adopt(room, running=launch)

        assert room.runner.routes()[room.app.id][0] == ()
        await raised(room, launch)
        ((served, _), _) = room.traffic.routes[-1], None
        assert [target.port for target in served] != [port]


async def test_a_dyno_that_was_not_ready_yet_takes_traffic_when_it_is(room: Room) -> None:
    late = "while [ ! -e open ]; do sleep 0.01; done; exec /usr/bin/python3 -SE serve.py"
    launch = room.launch(web=late)
    room.runner.keep_trying(launch, _nothing)
    await room.happened.has("Starting process with command")
    while not room.rows.rows:  # noqa: ASYNC110 - the store tells nobody
        await asyncio.sleep(0)
    before = pids(room)

    runner = await next_daemon(room, running=launch)

    assert runner.routes() == {room.app.id: ((), WebState.BOOTING)}
    (room.layout.slug("c" * 64) / "open").touch()
    await raised(room, launch)
    assert room.traffic.routes[-1][1] is WebState.SERVING
    assert pids(room) == before


async def _nothing(_: Launch) -> None:
    pass


async def test_what_a_newer_epoch_is_to_replace_serves_until_that_is_ready(room: Room) -> None:
    old, new = room.launch(), room.launch(restarts=1)
    new = replace(new, release=old.release, slug=old.slug)
    await room.deploy(old)
    before = pids(room)["web.1"]

    runner = await next_daemon(room, running=new)

    assert runner.serves_older(new)
    assert len(runner.routes()[room.app.id][0]) == 1
    booted = await runner.boot_web(new, room.said.append)
    assert pids(room)["web.1"] != before
    runner.retire_soon(await runner.switch(new, booted))
    assert not runner.serves_older(new)
    await room.happened.has("heroku[web.1]: Process exited with status 143")
    assert len(pids(room)) == 1


async def test_dynos_of_a_release_that_should_not_run_leave_once_their_requests_have_ended(room: Room) -> None:
    old, new = room.launch(), room.launch(number=2)
    await room.deploy(new)
    web = room.scheduler.named("web.1")
    room.traffic.holds_drains = True

    runner = await next_daemon(room, new, running=old)

    await room.happened.has(f"draining {web.dyno_id}")
    assert web.alive
    assert runner.dynos(room.app.id) == []
    room.traffic.drains[web.dyno_id].set()
    await room.happened.has("heroku[web.1]: Process exited with status 143")
    order = [f"drained {web.dyno_id}", "heroku[web.1]: Stopping all processes with SIGTERM"]
    assert [item for item in room.happened.items if item in order] == order


async def test_other_types_of_an_older_release_end_before_their_successors_start(room: Room) -> None:
    old = room.launch({"web": 0, "clock": 1}, clock="trap 'echo bye; exit 0' TERM; echo old; while :; do sleep 0.01; done")
    new = room.launch({"web": 0, "clock": 1}, clock="echo new; exec sleep 600", number=2)
    await room.deploy(old)
    await room.happened.has("app[clock.1]: old")

    runner = await next_daemon(room, old, running=new)
    runner.replace_rest_soon(new)

    await room.happened.has("app[clock.1]: new")
    said = ["app[clock.1]: bye", "app[clock.1]: new"]
    assert [item for item in room.happened.items if item in said] == said


async def test_a_one_off_that_somebody_waited_for_ends_and_a_detached_one_does_not(room: Room) -> None:
    launch = room.launch()
    detached = await room.runner.start_detached(launch, "exec sleep 600")
    waited = asyncio.ensure_future(room.runner.run_once(launch, "exec sleep 600", type="release", timeout_seconds=60))
    await room.happened.has("heroku[release", times=2)
    await ready(room, 2)
    rows = dict(room.rows.rows)
    waited.cancel()  # as if the daemon were gone: what it started and wrote down is put back
    await asyncio.wait({waited})
    assert {row.role for row in rows.values()} == {DynoRole.DETACHED, DynoRole.ATTENDED}

    runner = await next_daemon(room, running=launch)

    assert [each.name for each in runner.dynos(room.app.id)] == [detached.name]
    assert list(pids(room)) == [detached.name]


async def test_the_time_of_a_detached_one_off_goes_on(room: Room) -> None:
    launch = room.launch()
    await room.runner.start_detached(launch, "exec sleep 600")
    room.clock.advance(86000)

    await next_daemon(room, running=launch)

    await room.clock.begun(lambda seconds: 300 < seconds <= 400)
    room.clock.wake(lambda seconds: 300 < seconds <= 400)
    await room.happened.has("Process ran longer than 86400 seconds")
    await room.happened.has("Process exited with status 143")


async def test_a_detached_one_off_that_began_by_a_clock_ahead_gets_its_time_and_no_more(room: Room) -> None:
    launch = room.launch()
    await room.runner.start_detached(launch, "exec sleep 600")
    ahead = timedelta(days=365)
    rows = room.rows.rows
    room.rows.rows = {dyno_id: replace(row, started_at=row.started_at + ahead) for dyno_id, row in rows.items()}

    await next_daemon(room, running=launch)

    await room.clock.begun(lambda seconds: seconds > 86000)
    assert max(room.clock.sleeps) == 86400


async def test_what_was_told_to_end_is_ended_by_the_next_daemon(room: Room) -> None:
    launch = room.launch()
    stubborn = await room.runner.start_detached(launch, "trap '' TERM; echo on; while :; do sleep 0.01; done")
    await room.happened.has(f"app[{stubborn.name}]: on")
    await room.runner.stop_dynos(room.app.id, [stubborn.name])
    assert [row for row in room.rows.rows.values() if row.leaving_at]  # before anybody is told that it will end

    runner = await next_daemon(room, running=launch)

    assert runner.dynos(room.app.id) == []
    await room.clock.skip(30)
    await room.happened.has("Process exited with status 137")


async def test_a_dyno_of_an_older_pushd_which_wrote_no_command_down_comes_back_with_that_of_its_release(room: Room) -> None:
    launch = room.launch()
    await room.deploy(launch)
    room.rows.rows = {dyno_id: replace(row, command="") for dyno_id, row in room.rows.rows.items()}
    runner = await next_daemon(room, running=launch)
    await raised(room, launch)

    os.kill(pids(room)["web.1"], signal.SIGKILL)

    await room.happened.has("heroku[web.1]: State changed from starting to up")
    assert [each.command for each in runner.dynos(room.app.id)] == [launch.release.process_types["web"]]


async def test_without_web_dynos_the_router_is_told_so_after_a_start(room: Room) -> None:
    launch = room.launch({"web": 0, "clock": 1}, clock="exec sleep 600")
    await room.deploy(launch)
    await ready(room, 1)

    runner = await next_daemon(room, running=launch)
    assert runner.routes() == {room.app.id: ((), WebState.NONE)}
    await raised(room, launch)

    await room.happened.has("route none")


async def test_dynos_of_an_app_that_is_gone_are_ended(room: Room) -> None:
    await room.deploy(room.launch())

    runner = await next_daemon(room, running=None)

    assert pids(room) == {}
    assert room.rows.rows == {}
    assert runner.dynos(room.app.id) == []


async def test_rows_of_dynos_that_are_gone_are_removed(room: Room) -> None:
    launch = room.launch()
    await room.deploy(launch)
    (row,) = room.rows.rows.values()
    await room.runner.stop_app(room.app.id)
    await room.rows.put(row)

    await next_daemon(room, running=launch)

    assert room.rows.rows == {}


async def test_a_dyno_whose_output_cannot_be_read_is_ended(room: Room) -> None:
    launch = room.launch()
    await room.deploy(launch)
    await room.runner.leave()
    room.pipes.refuses = OSError("no more descriptors")
    room.runner = room.another_runner()

    await adopt(room, running=launch)

    assert pids(room) == {}
    assert room.rows.rows == {}


def row(name: str, release_id: UUID, *, restarts: int = 0, role: DynoRole = DynoRole.FORMATION) -> DynoRow:
    return DynoRow(
        id=uuid4(), app_id=uuid4(), name=name, type=name.partition(".")[0], role=role, command="serve", release_id=release_id,
        epoch=Epoch(1, restarts), port=None, identity="", started_at=NOW,
    )  # fmt: skip


RUNNING, OTHER = uuid4(), uuid4()
OLD, NEW = row("web.1", RUNNING), row("web.1", RUNNING, restarts=1)
LATER = replace(OLD, id=UUID(int=0), started_at=NOW + timedelta(seconds=1))  # the same epoch: `ps:restart web.1`


@pytest.mark.parametrize(
    ("found", "fates"),
    [
        ([(OLD, True)], [Fate.SERVES]),
        ([(OLD, False)], [Fate.SERVES]),
        ([(OLD, True), (NEW, True)], [Fate.ENDS, Fate.SERVES]),
        ([(OLD, True), (NEW, False)], [Fate.SERVES, Fate.ENDS]),
        ([(OLD, False), (NEW, False)], [Fate.ENDS, Fate.SERVES]),
        ([(LATER, True), (OLD, True)], [Fate.SERVES, Fate.ENDS]),
        ([(row("clock.1", RUNNING), True)], [Fate.STAYS]),
        ([(row("web.1", OTHER), True)], [Fate.ENDS]),
        ([(row("run.1", OTHER, role=DynoRole.DETACHED), True)], [Fate.STAYS]),
        ([(row("run.1", RUNNING, role=DynoRole.ATTENDED), True)], [Fate.ENDS]),
        ([(replace(OLD, leaving_at=NOW), True)], [Fate.ENDS]),
        ([(replace(row("run.1", RUNNING, role=DynoRole.DETACHED), leaving_at=NOW), True)], [Fate.ENDS]),
    ],
)
def test_what_becomes_of_found_dynos(found: list[tuple[DynoRow, bool]], fates: list[Fate]) -> None:
    assert list(plan_adoption(found, RUNNING).values()) == fates


def test_nothing_of_the_formation_goes_on_if_nothing_should_run() -> None:
    assert set(plan_adoption([(OLD, True), (NEW, False)], None).values()) == {Fate.ENDS}
