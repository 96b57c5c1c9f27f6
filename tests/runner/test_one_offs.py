"""The release phase and detached runs."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from pushd.errors import BootFailed
from pushd.kit.transcript import Transcript
from pushd.model.secret import Environ
from pushd.runner.schedulers import CannotStart
from tests.runner.conftest import Room


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
    assert room.states == {"web.1": "up"}


async def test_a_deploy_leaves_one_offs_alone(room: Room) -> None:
    dyno = await room.runner.start_detached(room.launch(), "exec sleep 600")

    await room.deploy(room.launch({"web": 1, "clock": 1}, number=2, clock="exec sleep 600"))
    await room.happened.has("heroku[clock.1]: State changed from starting to up")

    assert room.states == {dyno.name: "up", "web.1": "up", "clock.1": "up"}
