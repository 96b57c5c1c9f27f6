"""What SSH can do and this server does not: each is refused, with a word where the protocol has one."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator

import asyncssh
import pytest

from pushd.errors import PushdError
from tests.ssh.conftest import Door


@pytest.fixture
def neighbour() -> Iterator[int]:
    """Somebody else's port on this machine; fails the test if anybody comes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening.getsockname()[1]
        with pytest.raises(BlockingIOError):
            listening.accept()


async def test_a_shell(door: Door) -> None:
    ran = await door(options=["-T"])

    assert ran.code == 1
    assert "Hello, ada@example.com." in ran.err
    assert "There is no shell here." in ran.err
    assert "logs -t --app" in ran.err


async def test_a_shell_on_a_terminal_is_told_in_lines_that_begin_at_the_left(door: Door) -> None:
    ran = await door(options=["-tt"])

    assert ran.code == 1
    assert " !     There is no shell here.\r\n" in ran.out


async def test_sftp(door: Door) -> None:
    ran = await door("sftp", options=["-s"])

    assert ran.code == 1
    assert "no sftp and no scp" in ran.err


@pytest.mark.parametrize("option", [(), ("-O",)], ids=["sftp", "old protocol"])
async def test_scp(door: Door, option: tuple[str, ...]) -> None:
    words = door.argv("x")  # ssh's own options, up to the host
    (door.home / "file").write_text("text")
    port = words.index("-p")
    options = [*words[1:port], "-P", words[port + 1]]
    done = await asyncio.create_subprocess_exec(
        "scp", *option, *options, str(door.home / "file"), "git@127.0.0.1:file",
        env={"PATH": "/usr/bin:/bin", "HOME": str(door.home)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await done.communicate()

    assert done.returncode != 0
    assert b"no sftp and no scp" in output


async def test_a_tunnel_to_a_neighbour(door: Door, neighbour: int) -> None:
    async with door.connect() as client:
        with pytest.raises(asyncssh.ChannelOpenError, match="forwards no connections"):
            await client.open_connection("127.0.0.1", neighbour)
        with pytest.raises(asyncssh.ChannelOpenError, match="forwards no connections"):
            await client.open_unix_connection("/run/docker.sock")
    ran = await door(options=["-W", f"127.0.0.1:{neighbour}"])
    assert ran.code != 0
    assert "pushd forwards no connections" in ran.err


async def test_a_tunnel_from_here(door: Door) -> None:
    ran = await door("echo", "in", options=["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:9"])
    assert ran.code == 255
    assert "remote port forwarding failed" in ran.err
    async with door.connect() as client:
        with pytest.raises(asyncssh.ChannelListenError):
            await client.start_unix_server(lambda *_: None, str(door.home / "socket"))  # type: ignore[arg-type]
    assert not (door.home / "socket").exists()


async def test_a_network_device(door: Door) -> None:
    async with door.connect() as client:
        with pytest.raises(asyncssh.ChannelOpenError, match="forwards no connections"):
            await client.open_tun()


async def test_an_agent_and_x11_are_not_carried_along(door: Door) -> None:
    ran = await door("env", options=["-A", "-X", "-o", "XAuthLocation=/bin/true"])

    assert ran.code == 0
    assert "SSH_AUTH_SOCK" not in ran.out
    assert "DISPLAY" not in ran.out


async def test_variables_of_the_client_do_not_come_along(door: Door) -> None:
    async with door.connect() as client:
        process = await client.create_process("env", env={"LD_PRELOAD": "/tmp/x.so", "PUSHD_HOST": "http://evil", "LANG": "C"})
        output = str((await process.wait()).stdout)

    assert "LD_PRELOAD" not in output
    assert "evil" not in output
    assert "LANG=C.UTF-8" in output


async def test_another_subsystem(door: Door) -> None:
    async with door.connect() as client:
        process = await client.create_process(subsystem="netconf")
        assert (await process.wait()).exit_status == 1


async def test_a_refusal_of_git_and_a_bug_of_ours_end_their_session_alone(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    async with door.connect() as client:
        door.git.fails = PushdError("No.", remedy="Ask Ada.")
        refused = await client.run("git-upload-pack x")
        door.git.fails = RuntimeError("of ours")
        failed = await client.run("git-upload-pack x")
        door.git.fails = None
        works = await client.run("git-upload-pack x", input="x")

    assert (refused.exit_status, refused.stderr) == (1, " !     No.\n !     Ask Ada.\n")
    assert failed.exit_status == 1
    assert "its log says what" in str(failed.stderr)
    assert "RuntimeError" not in str(failed.stderr)
    assert "RuntimeError: of ours" in caplog.text
    assert works.stdout == "X"


async def test_command_lines_stand_in_no_log(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    assert (await door("config:set", "SECRET=hush")).code == 127

    assert "ssh command" in caplog.text
    assert "hush" not in caplog.text
