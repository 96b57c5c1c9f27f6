"""The release phase, detached and attached runs."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from pushd.errors import BootFailed, PushdError
from pushd.kit import proc, procfs
from pushd.kit.transcript import Transcript
from pushd.model.dyno import Dyno
from pushd.model.secret import Environ
from pushd.model.terminal import TerminalSize
from pushd.model.user import User
from pushd.runner.attached import HANG_UP_SECONDS
from pushd.runner.attachment import Attachment
from pushd.runner.schedulers import CannotStart
from tests.fakes import FakeClock
from tests.runner.conftest import Room

_NOW = FakeClock().now()
NOBODY = User(id=uuid4(), email="nobody@localhost", is_operator=False, created_at=_NOW, updated_at=_NOW)


async def test_a_release_phase_gives_its_status_and_writes_to_transcript_and_log(room: Room, tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "output.txt")

    status = await room.runner.run_once(
        room.launch(), "echo migrating $KEY; exit 3", type="release", environ=Environ({"KEY": "now"}), transcript=transcript,
        timeout_seconds=60,
    )  # fmt: skip

    transcript.close()
    assert status == 3
    assert transcript.path.read_bytes() == b"migrating now\n"
    assert re.search(r"app\[release\.\d{4}\]: migrating now", room.log)
    assert re.search(r"heroku\[release\.\d{4}\]: State changed from up to complete", room.log)
    assert room.runner.dynos(room.app.id) == []


async def test_a_run_over_its_limit_is_ended(room: Room) -> None:
    run = room.nursery.start(
        room.runner.run_once(room.launch(), "exec sleep 600", type="release", timeout_seconds=3600), name="run"
    )

    await room.clock.skip(3600)

    with pytest.raises(TimeoutError, match="after 3600 seconds"):
        await run
    assert "Process ran longer than 3600 seconds" in room.log


async def test_a_cancelled_run_is_ended(room: Room) -> None:
    run = room.nursery.start(
        room.runner.run_once(room.launch(), "echo on; exec sleep 600", type="release", timeout_seconds=60), name="run"
    )
    await room.happened.has(": on")

    run.cancel()

    with pytest.raises(asyncio.CancelledError):
        await run
    assert room.scheduler.running == []


async def test_a_run_that_cannot_start_says_so(room: Room) -> None:
    room.scheduler.refuses.append(CannotStart("no memory for a process"))

    with pytest.raises(BootFailed, match="no memory for a process"):
        await room.runner.run_once(room.launch(), "true", type="release", timeout_seconds=60)


async def test_a_detached_run_is_shown_until_it_ends_and_never_started_again(room: Room) -> None:
    dyno = await room.runner.start_detached(
        room.launch(), "read line < go; echo done $DYNO $KEY", environ=Environ({"KEY": "x"})
    )

    assert re.fullmatch(r"run\.\d{4}", dyno.name)
    assert (dyno.type, dyno.port) == ("run", None)
    await room.happened.has(f"heroku[{dyno.name}]: Process exited with status")
    assert len(room.scheduler.handles) == 1


async def test_detached_runs_of_one_app_have_names_of_their_own(room: Room) -> None:
    dynos = [await room.runner.start_detached(room.launch(), "exec sleep 600") for _ in range(3)]

    assert {dyno.name for dyno in room.runner.dynos(room.app.id)} == {dyno.name for dyno in dynos}
    assert len({dyno.name for dyno in dynos}) == 3


async def test_stopping_a_one_off_ends_it_and_nothing_else(room: Room) -> None:
    await room.deploy(room.launch())
    dyno = await room.runner.start_detached(room.launch(), "exec sleep 600")

    await room.runner.stop_dynos(room.app.id, ["web.1", "run.1"])
    await room.runner.stop_dynos(room.app.id, [dyno.name])

    await room.happened.has(f"heroku[{dyno.name}]: Process exited with status 143")
    assert f"heroku[{dyno.name}]: State changed from up to complete" in room.log
    assert room.states == {"web.1": "up"}


async def test_a_deploy_leaves_one_offs_alone(room: Room) -> None:
    dyno = await room.runner.start_detached(room.launch(), "exec sleep 600")

    await room.deploy(room.launch({"web": 1, "clock": 1}, number=2, clock="exec sleep 600"))
    await room.happened.has("heroku[clock.1]: State changed from starting to up")

    assert room.states == {dyno.name: "up", "web.1": "up", "clock.1": "up"}


# --- attached -----------------------------------------------------------------------------------------------------------


async def attach(room: Room, command: str, **options: Any) -> tuple[Dyno, Attachment]:
    """Start it, as a client that keeps stdout and stderr apart."""
    dyno, secret = room.runner.start_attached(room.launch(), command, NOBODY, **options)
    attached = room.runner.maybe_claim(secret)
    assert attached is not None
    await attached.start(merged=False, resizable=True)
    return dyno, attached


async def everything(attached: Attachment) -> bytes:
    found = b""
    async with asyncio.timeout(20):
        while (read := await attached.read()) is not None:
            found += read[1]
    return found


async def test_an_attached_run_waits_for_its_client_and_ends_in_herokus_words(room: Room) -> None:
    dyno, secret = room.runner.start_attached(room.launch(), "echo hi $KEY; exit 3", NOBODY, environ=Environ({"KEY": "x"}))
    await room.happened.has("Awaiting client")
    assert room.states == {dyno.name: "starting"}
    assert room.scheduler.handles == []

    attached = room.runner.maybe_claim(secret)
    assert attached is not None
    await attached.start(merged=True, resizable=False)

    assert await everything(attached) == b"hi x\n"
    assert await attached.exit_status() == 3
    attached.leave()
    await room.happened.has("State changed from up to complete")
    assert [item.partition("]: ")[2] for item in room.happened.items] == [
        "Awaiting client", "Starting process with command `echo hi $KEY; exit 3`", "State changed from starting to up",
        "Process exited with status 3", "State changed from up to complete",
    ]  # fmt: skip
    assert room.runner.maybe_claim(secret) is None
    assert secret not in room.log


async def test_one_that_nobody_comes_to_is_never_started(room: Room) -> None:
    _, secret = room.runner.start_attached(room.launch(), "true", NOBODY)

    await room.clock.skip(60)

    await room.happened.has("Error R13 (Attach error) -> Failed to attach to process")
    assert room.runner.maybe_claim(secret) is None
    assert (room.scheduler.handles, room.states) == ([], {})


async def test_one_whose_client_is_gone_before_it_was_answered_waits_for_nobody(room: Room) -> None:
    _, secret = room.runner.start_attached(room.launch(), "true", NOBODY)
    attached = room.runner.maybe_claim(secret)
    assert attached is not None
    attached.leave()

    await room.happened.has("Error R13 (Attach error) -> Failed to attach to process")
    assert (room.scheduler.handles, room.states) == ([], {})


async def test_one_that_is_stopped_before_its_client_comes(room: Room) -> None:
    dyno, secret = room.runner.start_attached(room.launch(), "true", NOBODY)
    attached = room.runner.maybe_claim(secret)
    assert attached is not None
    await room.happened.has("Awaiting client")
    await room.runner.stop_dynos(room.app.id, [dyno.name])
    await room.happened.has("State changed from starting to complete")

    with pytest.raises(PushdError, match="stopped before"):
        await attached.start(merged=True, resizable=False)


async def test_one_that_cannot_start_says_so(room: Room) -> None:
    room.scheduler.refuses.append(CannotStart("no memory for a process"))

    with pytest.raises(BootFailed, match="no memory for a process"):
        await attach(room, "true")


async def test_a_client_that_goes_away_hangs_up(room: Room) -> None:
    dyno, attached = await attach(room, "echo on; exec sleep 600", size=TerminalSize())
    await attached.read()  # the terminal is taken: what begins on one that has gone fails before anybody hangs up

    attached.leave()

    await room.happened.has(f"heroku[{dyno.name}]: State changed from up to complete")
    await room.happened.has("Client connection closed. Sending SIGHUP to all processes")
    await room.happened.has(f"heroku[{dyno.name}]: Process exited with status")
    assert "R16" not in room.log


async def test_where_the_kernel_is_quicker_to_hang_up_the_log_says_the_same(room: Room) -> None:
    dyno, attached = await attach(room, "echo on; exec sleep 600", size=TerminalSize())
    await attached.read()
    program = procfs.identify(room.scheduler.named(dyno.name)._process.pid)
    assert program is not None

    attached.leave()
    assert proc.wait_blocking({program}, within=20)  # the loop, which stands still, learns both at a time

    await room.happened.has(f"heroku[{dyno.name}]: Process exited with status")
    assert room.log.count("Client connection closed. Sending SIGHUP to all processes") == 1


async def test_one_that_does_not_hear_it_is_killed_in_the_end(room: Room) -> None:
    dyno, attached = await attach(room, "trap '' HUP; echo on; while :; do sleep 0.1; done")
    await attached.read()

    attached.leave()
    for times in (1, 2, 3):
        await room.happened.has("Sending SIGHUP", times)
        await room.clock.skip(HANG_UP_SECONDS)

    await room.happened.has("Error R16 (Detached) -> An attached process is not responding to SIGHUP")
    await room.happened.has(f"heroku[{dyno.name}]: Process exited with status 137")


async def test_silence_of_an_hour_hangs_up(room: Room) -> None:
    _, attached = await attach(room, "exec cat")
    await attached.write(b"x")
    await attached.read()

    await eventually_skip(room, 3600)

    await room.happened.has("Idle connection: nothing was sent or received for 3600 seconds")
    await room.happened.has("Process exited with status")
    assert attached.has_left


async def eventually_skip(room: Room, seconds: float) -> None:
    """As `skip`, for a sleep whose exact length nobody knows."""
    await room.clock.begun(lambda length: seconds - 10 < length <= seconds)
    room.clock.advance(seconds)
    room.clock.wake(lambda length: seconds - 10 < length <= seconds)


async def test_a_day_is_the_longest(room: Room) -> None:
    _, attached = await attach(room, "exec sleep 600")

    await room.clock.skip(86400)

    await room.happened.has("Process ran longer than 86400 seconds")
    await room.happened.has("Process exited with status 143")
    assert await attached.exit_status() == 143


async def test_the_daemons_end_takes_attached_runs_along_and_no_others(room: Room) -> None:
    detached = await room.runner.start_detached(room.launch(), "exec sleep 600")
    await attach(room, "exec sleep 600")

    await room.runner.leave()

    assert room.scheduler.running == [detached.name]
    room.runner = room.another_runner()
    await room.runner.adopt({}, _gone)


async def _gone(app_id: UUID, release_id: UUID) -> None:
    """Nothing is there any more."""


@pytest.mark.parametrize(("resizable", "shown"), [(True, b"none\r\n"), (False, b"100\r\n")])
async def test_a_size_that_would_not_follow_the_window_is_not_in_the_environment(
    room: Room, resizable: bool, shown: bytes
) -> None:
    environ = Environ({"COLUMNS": "100", "LINES": "30"})
    _, secret = room.runner.start_attached(
        room.launch(), "echo ${COLUMNS:-none}", NOBODY, environ=environ, size=TerminalSize(100, 30)
    )
    attached = room.runner.maybe_claim(secret)
    assert attached is not None
    await attached.start(merged=True, resizable=resizable)
    assert await everything(attached) == shown
    attached.leave()


async def test_inside_a_dyno_has_its_variables_and_ends_with_it(room: Room) -> None:
    await room.deploy(room.launch())
    dyno, secret = room.runner.start_inside(room.app.id, "web.1", "echo $DYNO $PORT; exec sleep 600", NOBODY)
    attached = room.runner.maybe_claim(secret)
    assert attached is not None
    await attached.start(merged=True, resizable=False)
    port = room.scheduler.named("web.1").start.environ["PORT"]
    assert await attached.read() == (1, f"web.1 {port}\n".encode())
    assert room.scheduler.named(dyno.name).start.inside == room.id_of("web.1")

    room.scheduler.named("web.1").kill()

    assert await attached.exit_status() == 143
    attached.leave()


async def test_inside_needs_a_dyno_that_runs(room: Room) -> None:
    with pytest.raises(PushdError, match="find that dyno"):
        room.runner.start_inside(room.app.id, "web.1", "true", NOBODY)
    dyno, _ = room.runner.start_attached(room.launch(), "true", NOBODY)
    with pytest.raises(PushdError, match="does not run just now"):
        room.runner.start_inside(room.app.id, dyno.name, "true", NOBODY)
