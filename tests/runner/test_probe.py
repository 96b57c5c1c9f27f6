"""Readiness: what counts, and what a dyno that does not come up is told."""

from __future__ import annotations

import asyncio

import pytest

from pushd.errors import BootFailed
from pushd.runner.probe import is_bound
from pushd.runner.schedulers import Listener
from tests.runner.conftest import PYTHON, SERVE, Room

ONE_SECOND = {"boot-timeout-seconds": "1"}


@pytest.mark.parametrize(
    ("address", "reached"),
    [("127.0.0.1", True), ("0.0.0.0", True), ("::", True), ("::ffff:0.0.0.0", True), ("::1", False), ("10.1.2.3", False)],
)
def test_a_listener_counts_if_a_connection_to_127_0_0_1_reaches_it(address: str, reached: bool) -> None:
    assert is_bound([Listener("127.0.0.1", 1), Listener(address, 5000)], 5000) is reached


async def test_the_probe_asks_the_apps_own_path_and_host(room: Room) -> None:
    await room.deploy(room.launch(settings={"probe-path": "/health?full=1"}))

    assert "app[web.1]: GET /health?full=1 HTTP/1.1 | Host: hello.localhost | User-Agent: pushd-probe" in room.log
    assert room.log.count("pushd-probe") == 1


async def test_with_probe_port_listening_is_enough(room: Room) -> None:
    await room.deploy(room.launch(settings={"probe": "port"}, environ={"ANSWER": ""}))

    assert room.states == {"web.1": "up"}
    assert "pushd-probe" not in room.log


async def test_all_addresses_are_fine_too(room: Room) -> None:
    await room.deploy(room.launch(environ={"BIND": "0.0.0.0"}))

    assert room.states == {"web.1": "up"}


async def test_a_program_that_listens_late_is_ready_when_it_answers(room: Room) -> None:
    go = room.layout.slug("c" * 64) / "go"
    boot = room.nursery.start(
        room.runner.boot_web(room.launch(web=f"echo waiting; until [ -e go ]; do sleep 0.01; done; {SERVE}"), print),
        name="boot",
    )
    await room.happened.has("app[web.1]: waiting")
    go.touch()

    assert [dyno.name for dyno in await boot] == ["web.1"]


def listens(address: str) -> str:
    """A program that listens, and answers nobody."""
    code = f"import os, socket, time; s = socket.socket(); s.bind({address}); s.listen(); print(1, flush=True); time.sleep(600)"
    return f"{PYTHON} -c '{code}'"


OTHER_PORT = listens('("127.0.0.1", 0)')
NO_ANSWER = listens('("", int(os.environ["PORT"]))')

ONLY_IPV6 = f"""{PYTHON} -c 'import os, socket, time; s = socket.socket(socket.AF_INET6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1); s.bind(("::", int(os.environ["PORT"])))
s.listen(); print(1, flush=True); time.sleep(600)'"""


@pytest.mark.parametrize(
    ("web", "environ", "begun", "message", "remedy"),
    [
        ("echo 1; exec sleep 600", {}, ": 1", r"did not bind to \$PORT \(\d+\) within 1 seconds of launch", "0.0.0.0:$PORT"),
        (OTHER_PORT, {}, ": 1", r"web\.1 listens on 127\.0\.0\.1:\d+, but PORT is \d+", "0.0.0.0:$PORT"),
        (SERVE, {"BIND": "127.0.0.2"}, ": listening", r"web\.1 listens on 127\.0\.0\.2:\d+ only", "0.0.0.0:$PORT"),
        (ONLY_IPV6, {}, ": 1", r"web\.1 listens on \[::\]:\d+ only, which the router", "0.0.0.0:$PORT"),
        (NO_ANSWER, {}, ": 1", r"listens on its PORT \d+, but did not answer GET / within 1 seconds", "probe-path=/health"),
        (SERVE, {"ANSWER": ""}, "GET /", r"web\.1 listens on its PORT \d+, but did not answer GET /", "probe=port"),
        (SERVE, {"ANSWER": "SSH-2.0-x"}, "GET /", r"listens on its PORT \d+, but its answer to GET / is no", "plain HTTP"),
    ],
)  # fmt: skip
async def test_a_dyno_that_is_not_ready_in_time_is_told_what_was_found_instead(
    room: Room, web: str, environ: dict[str, str], begun: str, message: str, remedy: str
) -> None:
    launch = room.launch(web=web, environ=environ, settings=ONE_SECOND)
    boot = room.nursery.start(room.deploy(launch), name="boot")
    await room.happened.has(begun)
    room.clock.advance(1)

    with pytest.raises(BootFailed, match=message) as failure:
        await boot

    assert remedy in failure.value.remedy
    r10 = "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 1 seconds of launch"
    assert f"heroku[web.1]: {r10}\nheroku[web.1]: Stopping process with SIGKILL" in room.log
    assert room.scheduler.running == []


@pytest.mark.parametrize(
    ("web", "environ", "told"),
    [
        (OTHER_PORT, {}, "web.1 listens on 127.0.0.1:"),
        (SERVE, {"BIND": "127.0.0.2"}, "only, which the router at 127.0.0.1 does not reach"),
        (ONLY_IPV6, {}, "web.1 listens on [::]:"),
    ],
)
async def test_a_dyno_that_listens_elsewhere_is_told_while_it_boots(
    room: Room, web: str, environ: dict[str, str], told: str
) -> None:
    boot = room.nursery.start(room.deploy(room.launch(web=web, environ=environ)), name="boot")

    await room.happened.has(told)  # long before the boot timeout, for which nobody has put the clock forward

    assert not boot.done()
    assert any(told in line and "0.0.0.0:$PORT" in line for line in room.said)
    await room.runner.stop_all()
    with pytest.raises(BootFailed):
        await boot
    assert room.log.count(told) == 1


async def test_one_that_listens_elsewhere_first_and_on_its_port_later_comes_up(room: Room) -> None:
    go = room.layout.slug("c" * 64) / "go"
    late = f"{OTHER_PORT.removeprefix('exec ')} & until [ -e go ]; do sleep 0.01; done; {SERVE}"
    boot = room.nursery.start(room.deploy(room.launch(web=late)), name="boot")
    await room.happened.has("but PORT is")
    go.touch()

    await boot

    assert room.states == {"web.1": "up"}


async def test_a_neighbours_listener_on_the_same_port_does_not_count(room: Room) -> None:
    launch = room.launch(web="echo $PORT; exec sleep 600", settings=ONE_SECOND)
    boot = room.nursery.start(room.runner.boot_web(launch, room.said.append), name="boot")
    await room.happened.has("app[web.1]: ")
    port = int(room.happened.items[-1].rpartition(" ")[2])

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        room.happened.add(f"the neighbour heard {await reader.read()!r}")
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", port):
        await room.happened.has("the neighbour heard b''")  # a stranger is asked nothing
        room.clock.advance(1)
        with pytest.raises(BootFailed, match="did not bind"):
            await boot


@pytest.mark.parametrize(
    ("web", "message", "remedy"),
    [
        ("exit 1", r"web\.1 exited with status 1 while booting", "try again"),
        ("exit 0", r"web\.1 exited with status 0 while booting", "must keep running"),
        ("no-such-program serve", r"web\.1 exited with status 127 while booting", "requirements.txt"),
        ("./serve.py", r"web\.1 exited with status 126 while booting", "chmod=+x"),
        ("kill -9 $$", r"web\.1 exited with status 137 \(SIGKILL\) while booting", "logs --ps web.1"),
    ],
)
async def test_an_exit_during_boot_ends_the_wait_at_once_and_says_what_to_do(
    room: Room, web: str, message: str, remedy: str
) -> None:
    with pytest.raises(BootFailed, match=message) as failure:
        await room.deploy(room.launch(web=web))

    assert remedy in failure.value.remedy


async def test_the_traceback_of_an_app_that_dies_at_import_is_shown_in_the_push(room: Room) -> None:
    with pytest.raises(BootFailed, match="status 1"):
        await room.deploy(room.launch(web=f"{PYTHON} -c 'import no_such_module'"))

    assert "       ModuleNotFoundError: No module named 'no_such_module'" in room.said
