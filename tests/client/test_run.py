"""`pushd run` as a program of its own, on a terminal and in a pipe, against a server that speaks the WebSocket's protocol."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import pty
import random
import signal
import sys
import termios
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.client.fake_api import TOKEN
from tests.client.fake_runs import FakeRuns, Line, fake_runs
from tests.client.folders import git_environ


@pytest.fixture
async def runs() -> AsyncIterator[FakeRuns]:
    async with fake_runs() as running:
        yield running


@dataclass
class Program:
    """Starts `pushd ...` against the server, as a user with an app called shop."""

    runs: FakeRuns
    home: Path

    async def start(self, *args: str, **streams: int) -> asyncio.subprocess.Process:
        pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pushd", *args, cwd=self.home, start_new_session=True, **{**pipes, **streams},
            env=git_environ(
                self.home, PUSHD_HOST=self.runs.url, PUSHD_API_KEY=TOKEN, PUSHD_APP="shop", PYTHONPATH=os.getcwd(),
                PUSHD_DATA_DIR=str(self.home / "none"), TERM="xterm",
            ),
        )  # fmt: skip

    async def ended(self, *args: str, stdin: bytes = b"") -> tuple[int | None, bytes, bytes]:
        program = await self.start(*args)
        out, err = await program.communicate(stdin)
        return program.returncode, out, err


@pytest.fixture
def pushd(runs: FakeRuns, tmp_path: Path) -> Program:
    return Program(runs, tmp_path)


# --- pipes --------------------------------------------------------------------------------------------------------------


async def test_output_errors_and_exit_code_stay_apart(runs: FakeRuns, pushd: Program) -> None:
    async def speak(line: Line) -> None:
        await line.up()
        await line.out(b"some \xff\x00\r\n")
        await line.err(b"trouble\n")
        await line.exit(7)

    runs.speak = speak
    assert await pushd.ended("run", "-x", "sh", "-c", "exit 7") == (
        7,
        b"some \xff\x00\r\n",
        'Running sh -c "exit 7" on ⬢ shop... up, run.1234\ntrouble\n'.encode(),
    )
    assert runs.asked == {
        "/apps/shop/dynos": {"attach": True, "command": 'sh -c "exit 7"', "env": {}, "force_no_tty": True}
    }  # fmt: skip


async def test_ten_megabytes_go_there_and_back_unharmed(runs: FakeRuns, pushd: Program) -> None:
    data = random.Random(4).randbytes(10_000_000)
    arrived = hashlib.sha256()

    async def speak(line: Line) -> None:
        await line.up()
        while (message := await line.next()) != {"end_of_input": True}:
            assert isinstance(message, bytes)
            arrived.update(message)
            await line.out(message)
        await line.exit(0)

    runs.speak = speak
    code, out, _ = await pushd.ended("run", "cat", stdin=data)
    assert code == 0
    assert out == data
    assert arrived.digest() == hashlib.sha256(data).digest()


async def test_input_and_output_may_be_files(runs: FakeRuns, pushd: Program, tmp_path: Path) -> None:
    async def speak(line: Line) -> None:
        await line.up()
        await line.out((await line.input()).upper())
        await line.exit(0)

    runs.speak = speak
    (tmp_path / "in").write_bytes(b"from a file\n" * 10_000)
    source, target = os.open(tmp_path / "in", os.O_RDONLY), os.open(tmp_path / "out", os.O_CREAT | os.O_WRONLY)
    program = await pushd.start("run", "tr", stdin=source, stdout=target)
    assert await program.wait() == 0
    os.close(source)
    os.close(target)
    assert (tmp_path / "out").read_bytes() == b"FROM A FILE\n" * 10_000


async def test_closed_streams_are_empty_ones(runs: FakeRuns, pushd: Program, tmp_path: Path) -> None:
    async def speak(line: Line) -> None:
        await line.up()
        assert await line.input() == b""
        await line.out(b"nobody sees this")
        await line.exit(3)

    runs.speak = speak
    program = await asyncio.create_subprocess_exec(
        "sh", "-c", f'exec {sys.executable} -m pushd run true <&- >&- 2>&-', cwd=tmp_path,
        env=git_environ(
            tmp_path, PUSHD_HOST=runs.url, PUSHD_API_KEY=TOKEN, PUSHD_APP="shop", PYTHONPATH=os.getcwd(),
            PUSHD_DATA_DIR=str(tmp_path / "none"),
        ),
    )  # fmt: skip
    assert await program.wait() == 3


async def test_a_reader_that_has_seen_enough_ends_it(runs: FakeRuns, pushd: Program) -> None:
    async def speak(line: Line) -> None:
        await line.up()
        with contextlib.suppress(ConnectionError):
            while True:
                await line.out(b"y\n" * 10_000)

    runs.speak = speak
    reader, writer = os.pipe()
    program = await pushd.start("run", "yes", stdout=writer)
    os.close(writer)
    assert await asyncio.to_thread(os.read, reader, 4) == b"y\ny\n"
    os.close(reader)
    assert await program.wait() == 128 + signal.SIGPIPE
    await runs.over.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signals_are_sent_on(runs: FakeRuns, pushd: Program, number: signal.Signals) -> None:
    async def speak(line: Line) -> None:
        await line.up()
        await line.input()
        program.send_signal(number)
        assert await line.until_told("signal") == number.name.removeprefix("SIG")
        await line.exit(130)

    runs.speak = speak
    program = await pushd.start("run", "sleep", "60", stdin=asyncio.subprocess.DEVNULL)
    assert await program.wait() == 130


async def test_nohup_is_respected(runs: FakeRuns, pushd: Program) -> None:
    async def speak(line: Line) -> None:
        await line.up()
        await line.input()
        program.send_signal(signal.SIGHUP)
        program.send_signal(signal.SIGTERM)
        assert await line.until_told("signal") == "TERM"
        await line.exit(0)

    runs.speak = speak
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # children inherit that
    try:
        program = await pushd.start("run", "sleep", "60", stdin=asyncio.subprocess.DEVNULL)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert await program.wait() == 0


async def test_the_third_of_a_kind_ends_us(runs: FakeRuns, pushd: Program) -> None:
    async def speak(line: Line) -> None:
        await line.up()
        await line.input()
        for _ in range(2):
            program.send_signal(signal.SIGINT)
            await line.until_told("signal")
        program.send_signal(signal.SIGINT)
        while await line.next() is not None:
            pass

    runs.speak = speak
    program = await pushd.start("run", "deaf", stdin=asyncio.subprocess.DEVNULL)
    assert await program.wait() == 128 + signal.SIGINT
    await runs.over.wait()


async def test_a_lost_server_is_one_line(runs: FakeRuns, pushd: Program) -> None:
    async def speak(line: Line) -> None:
        await line.up()
        await line.out(b"half a l")
        await line.socket.close()

    runs.speak = speak
    code, out, err = await pushd.ended("run", "ls")
    assert (code, out) == (1, b"half a l")
    assert err.decode().splitlines()[1:] == [
        " !    The server went away while run.1234 ran; `pushd ps` tells whether it still does."
    ]


async def test_a_server_that_talks_nonsense(runs: FakeRuns, pushd: Program) -> None:
    async def speak(line: Line) -> None:
        await line.socket.send_str('{"exit": "soon"}')

    runs.speak = speak
    code, _, err = await pushd.ended("run", "ls")
    assert code == 1
    assert "said something that this pushd does not understand" in err.decode()


async def test_what_the_server_refuses_is_told(runs: FakeRuns, pushd: Program) -> None:
    async def speak(line: Line) -> None:
        await line.fail(id="unavailable", message="It did not start.\nLook at `pushd logs`.")

    runs.speak = speak
    assert await pushd.ended("run", "ls") == (
        1, b"", "Running ls on ⬢ shop... failed, run.1234\n !    It did not start.\n !    Look at `pushd logs`.\n".encode(),
    )  # fmt: skip


async def test_inside_a_dyno(runs: FakeRuns, pushd: Program) -> None:
    async def speak(line: Line) -> None:
        await line.up()
        await line.exit(0)

    runs.speak = speak
    code, _, err = await pushd.ended("run:inside", "web.1", "--", "ls", "-a", "x")
    assert code == 0
    assert "up, web.1" in err.decode()
    assert runs.asked == {"/apps/shop/dynos/web.1": {"attach": True, "command": "ls -a x", "env": {}, "force_no_tty": True}}


@pytest.mark.parametrize(
    ("words", "app", "command"),
    [
        (["--", "ls", "-a", "other"], "shop", "ls -a other"),
        (["ls", "-la"], "shop", "ls -la"),
        (["bash", "-a", "other"], "other", "bash"),
        (["flask", "db", "upgrade", "--app=other"], "other", "flask db upgrade"),
        (["-a", "other", "ls", "-a", "x"], "other", "ls -a x"),
        (["ls", "-a", "/tmp"], "shop", "ls -a /tmp"),
        (["sh", "-c", "ls; ls"], "shop", 'sh -c "ls; ls"'),
    ],
)
async def test_where_the_command_begins_and_ends(
    runs: FakeRuns, pushd: Program, words: list[str], app: str, command: str
) -> None:
    async def speak(line: Line) -> None:
        await line.up()
        await line.exit(0)

    runs.speak = speak
    assert (await pushd.ended("run", *words))[0] == 0
    assert runs.asked[f"/apps/{app}/dynos"]["command"] == command


# --- a terminal ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def window(columns: int, lines: int) -> Iterator[tuple[int, int]]:
    """A terminal of that size: the person's end, and the program's."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (lines, columns))
    os.set_blocking(ours, False)
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        os.close(theirs)


async def shown(ours: int, until: bytes) -> bytes:
    """What the terminal shows, up to these bytes."""
    loop = asyncio.get_running_loop()
    seen = b""
    while not seen.endswith(until):
        ready = asyncio.Event()
        loop.add_reader(ours, ready.set)
        await ready.wait()
        loop.remove_reader(ours)
        seen += os.read(ours, 65536)
    return seen


def is_raw(terminal: int) -> bool:
    return not termios.tcgetattr(terminal)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)


async def test_a_terminal_is_raw_while_the_command_runs(runs: FakeRuns, pushd: Program) -> None:
    with window(111, 33) as (ours, theirs):
        before = termios.tcgetattr(theirs)

        async def speak(line: Line) -> None:
            await line.up()
            assert await line.until_told("resize") == {"columns": 111, "lines": 33}
            assert is_raw(theirs)
            os.write(ours, b"ls\r\x03\x04\x1a\x1c")
            assert await line.read_until(b"\x1c") == b"ls\r\x03\x04\x1a\x1c"
            await line.out(b"\x1b[1mhello\r\n")
            assert (await shown(ours, b"hello\r\n")).endswith(b"\x1b[1mhello\r\n")
            await line.exit(5)

        runs.speak = speak
        program = await pushd.start("run", "-e", "A=1;B=2;3", "bash", stdin=theirs, stdout=theirs, stderr=theirs)
        assert await program.wait() == 5
        assert termios.tcgetattr(theirs) == before
    assert runs.asked["/apps/shop/dynos"] == {
        "attach": True, "command": "bash", "env": {"TERM": "xterm", "COLUMNS": "111", "LINES": "33", "A": "1", "B": "2;3"},
    }  # fmt: skip


async def test_the_size_is_followed(runs: FakeRuns, pushd: Program) -> None:
    with window(80, 24) as (ours, theirs):

        async def speak(line: Line) -> None:
            await line.up()
            assert await line.until_told("resize") == {"columns": 80, "lines": 24}
            termios.tcsetwinsize(ours, (50, 132))
            program.send_signal(signal.SIGWINCH)  # it is no session leader of that terminal: the kernel tells nobody
            assert await line.until_told("resize") == {"columns": 132, "lines": 50}
            await line.exit(0)

        runs.speak = speak
        program = await pushd.start("run", "vi", stdin=theirs, stdout=theirs, stderr=theirs)
        assert await program.wait() == 0


@pytest.mark.parametrize("how", ["gone", "garbage", "TERM", "HUP", "QUIT", "INT"])
async def test_the_terminal_is_restored_whatever_happens(runs: FakeRuns, pushd: Program, how: str) -> None:
    with window(80, 24) as (_, theirs):
        before = termios.tcgetattr(theirs)

        async def speak(line: Line) -> None:
            await line.up()
            await line.until_told("resize")
            assert is_raw(theirs)
            if how == "gone":
                assert line.socket._req
                line.socket._req.transport.abort()
            elif how == "garbage":
                await line.socket.send_str("this is no JSON")
            else:
                program.send_signal(signal.Signals[f"SIG{how}"])
                while await line.next() is not None:
                    pass

        runs.speak = speak
        program = await pushd.start("run", "bash", stdin=theirs, stdout=theirs, stderr=asyncio.subprocess.DEVNULL)
        code = await program.wait()
        assert code == (1 if how in ("gone", "garbage") else 128 + signal.Signals[f"SIG{how}"])
        assert termios.tcgetattr(theirs) == before


async def test_a_stopped_program_gives_the_terminal_back_meanwhile(runs: FakeRuns, pushd: Program) -> None:
    with window(80, 24) as (_, theirs):

        async def speak(line: Line) -> None:
            await line.up()
            await line.until_told("resize")
            program.send_signal(signal.SIGTSTP)
            await asyncio.to_thread(os.waitid, os.P_PID, program.pid, os.WSTOPPED | os.WNOWAIT)
            assert not is_raw(theirs)
            program.send_signal(signal.SIGCONT)
            await line.until_told("resize")
            assert is_raw(theirs)
            await line.exit(0)

        runs.speak = speak
        program = await pushd.start("run", "bash", stdin=theirs, stdout=theirs, stderr=asyncio.subprocess.DEVNULL)
        assert await program.wait() == 0


async def test_no_tty_means_pipes_on_a_terminal_too(runs: FakeRuns, pushd: Program) -> None:
    with window(80, 24) as (ours, theirs):

        async def speak(line: Line) -> None:
            await line.up()
            os.write(ours, b"typed\n\x04")
            assert await line.input() == b"typed\n"
            await line.exit(0)

        runs.speak = speak
        program = await pushd.start("run", "--no-tty", "cat", stdin=theirs, stdout=theirs, stderr=theirs)
        assert await program.wait() == 0
    assert runs.asked["/apps/shop/dynos"]["force_no_tty"] is True
    assert runs.asked["/apps/shop/dynos"]["env"] == {}
