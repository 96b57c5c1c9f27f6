"""Commands over SSH: their streams, their terminal, their end, and what they cannot see."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from pushd.kit.aio import in_thread
from pushd.sandbox.sandbox import Sandbox
from tests.fakes import USER
from tests.ssh.conftest import Door, MakeDoor, script, until

READ_WORDS = "import sys; from pushd.kit.handed import read_words; print(read_words(int(sys.argv[1])))"
SECRET = "hunter2-over-ssh"
CLIENT = (sys.executable, "-P", "-m", "pushd.cli.over_ssh")


@pytest.fixture(params=["confined", "plain"])
async def either(request: pytest.FixtureRequest, make_door: MakeDoor, probed: Sandbox) -> Door:
    """With the best sandbox of this machine, and without one."""
    return await make_door(sandbox=probed if request.param == "confined" else None)


async def test_pipes_carry_any_bytes_and_the_exit_code(either: Door) -> None:
    data = os.urandom(3 << 20)
    child = await either.start("cat; echo apart >&2; exit 7")
    out, err = await child.communicate(data)

    assert out == data
    assert err == b"apart\n"
    assert child.returncode == 7


async def test_a_terminal_has_the_clients_size_and_type_and_follows_its_window(either: Door) -> None:
    async with either.connect() as client:
        line = "trap 'stty size; exit 3' WINCH; stty size; echo $TERM; while :; do read -r line; done"
        process = await client.create_process(script(line), term_type="vt220", term_size=(100, 30))
        assert await process.stdout.readline() == "30 100\r\n"
        assert await process.stdout.readline() == "vt220\r\n"
        process.change_terminal_size(120, 50)
        assert await process.stdout.readline() == "50 120\r\n"
        assert (await process.wait()).exit_status == 3


async def test_ctrl_c_on_a_terminal_reaches_the_program(either: Door) -> None:
    async with either.connect() as client:
        line = "trap 'echo heard; exit 4' INT; echo ready; while :; do read -r x; done"
        process = await client.create_process(script(line), term_type="xterm")
        await process.stdout.readuntil("ready\r\n")
        process.stdin.write("\x03")
        assert "heard" in await process.stdout.read()
        assert (await process.wait()).exit_status == 4


async def test_it_ends_with_its_client(either: Door) -> None:
    child = await either.start(script("echo ready; trap '' HUP INT TERM; sleep 12345"))
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"
    await until(_sleeping)

    os.killpg(child.pid, signal.SIGKILL)
    await child.communicate()

    await until(lambda: not _sleeping())


async def test_it_ends_with_the_server(either: Door) -> None:
    child = await either.start("echo ready; sleep 12345", options=["-n"])
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"

    await either.server.stop(grace_seconds=0)
    await child.communicate()

    assert child.returncode != 0
    await until(lambda: not _sleeping())


async def test_all_that_it_gets_is_the_api_and_a_token_that_ends_with_it(either: Door) -> None:
    async with either.connect() as client:
        process = await client.create_process("env; read -r line", stdin=asyncio.subprocess.PIPE)
        seen = {}
        async for line in process.stdout:
            name, _, value = str(line).rstrip("\n").partition("=")
            seen[name] = value
            if name == "PUSHD_API_KEY":
                break
        token = seen["PUSHD_API_KEY"]
        assert await either.sessions.by_token(token)
        process.stdin.write_eof()
        rest = await process.wait()
        seen |= dict(line.partition("=")[::2] for line in str(rest.stdout).splitlines())

    assert await either.sessions.by_token(token) is None
    ours = {"PUSHD_HOST", "PUSHD_API_KEY", "PUSHD_DATA_DIR", "GIT_DIR", "LANG", "PYTHONPATH", "PATH", "HOME"}
    assert set(seen) - {"PWD", "SHLVL", "_", "OLDPWD"} == ours
    assert seen["PUSHD_HOST"] == "http://127.0.0.1:9"


async def test_the_files_of_the_machine_are_not_there(make_door: MakeDoor, probed: Sandbox, tmp_path: Path) -> None:
    if not probed.confines:
        pytest.skip("no bubblewrap")
    door = await make_door(sandbox=probed)
    (tmp_path / "secret.key").write_text("secret")

    tries = [f"cat {tmp_path}/secret.key", f"ls {tmp_path}", "ls -A /home /run /app", "touch /app/x", "echo x > /usr/x"]
    ran = await door("; ".join([*tries, f"kill -0 {os.getpid()}"]))

    assert ran.out.split() == ["/app:", "/run:"]
    assert ran.err.count("No such file") == 3  # the key, its folder, /home
    assert "No such process" in ran.err
    assert ran.code != 0
    assert not list(door.programs._folder.iterdir())


async def test_as_root_it_is_a_user_of_its_own_and_has_no_rights(make_door: MakeDoor, probed: Sandbox) -> None:
    if not probed.way.own_users:
        pytest.skip("no users of their own here")
    door = await make_door(sandbox=probed)
    told = "cat /proc/self/status; cat /proc/1/environ; test -w /app || echo not even here; echo kept >/dev/stdout"

    ran = await door(script(told))

    seen = dict(line.split(":\t", 1) for line in ran.out.splitlines() if ":\t" in line)
    assert seen["Uid"].split() == seen["Gid"].split() == [str(USER)] * 4
    assert seen["Groups"].strip() == ""
    assert {seen[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (seen["NoNewPrivs"], seen["Seccomp"]) == ("1", "2" if probed.way.filter is not None else "0")
    assert ran.out.endswith("not even here\nkept\n")
    assert "/proc/1/environ: Permission denied" in ran.err


async def test_a_token_and_what_was_typed_stand_in_no_command_line(either: Door) -> None:
    child = await either.start(script(f"echo $PUSHD_API_KEY; PASSWORD={SECRET}; sleep 12345"), options=["-n"])
    assert child.stdout is not None
    token = (await child.stdout.readline()).strip()
    await until(_sleeping)

    ours = [line for line in await in_thread(_command_lines) if not line.startswith(b"ssh\0")]  # the client's is the person's
    assert token not in b"".join(ours)
    assert SECRET.encode() not in b"".join(ours)
    child.terminate()
    await child.communicate()
    await until(lambda: not _sleeping())


async def test_so_many_run_at_once_and_the_next_is_told(make_door: MakeDoor) -> None:
    door = await make_door(at_once=2)
    child = await door.start("echo ready; cat")
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"

    refused = await door("echo in")
    await child.communicate(b"")

    assert refused.code == 1
    assert "Too many commands run over SSH: 1 of yours, 1 in all." in refused.err
    assert (await door("echo in")).out == "in\n"


async def test_the_client_gets_each_word_as_it_was_typed(make_door: MakeDoor, probed: Sandbox) -> None:
    door = await make_door(sandbox=probed, client=(sys.executable, "-P", "-c", READ_WORDS))

    ran = await door(*map(script, ["config:set", "A=two words", "", "Z=\u00e9\n$(x)'\""]))

    assert (ran.code, ran.err, ran.out) == (0, "", repr(["config:set", "A=two words", "", "Z=\u00e9\n$(x)'\""]) + "\n")


@pytest.mark.parametrize("words", [("version",), ("help", "logs")])
async def test_the_client_itself_runs_confined(make_door: MakeDoor, probed: Sandbox, words: tuple[str, ...]) -> None:
    door = await make_door(sandbox=probed, client=CLIENT)

    ran = await door(*words)

    assert (ran.code, ran.err) == (0, "")
    assert re.match(r"pushd \d|Usage: pushd logs", ran.out)


def _sleeping() -> bool:
    return b"sleep\x0012345\x00" in _command_lines()


def _command_lines() -> list[bytes]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:  # it has ended
            continue
    return found
