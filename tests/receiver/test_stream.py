"""Git on a connection of its own, as SSH gives it one: the real git, with a relay to a socket in the place of `ssh`."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pushd.errors import BadRequest
from pushd.kit.listen import short_path
from pushd.kit.transcript import Transcript
from pushd.receiver import stream
from pushd.receiver.commands import ZERO
from pushd.receiver.pktline import FLUSH, pkt
from pushd.receiver.stream import one_pack, serve
from tests.receiver.conftest import OPERATOR, Git, MakeServer, Server, until
from tests.receiver.test_push import fail_build, finish_push, read_until
from tests.receiver.wire import blob, commit, id_of, pack, push_body, tree

RELAY = """import os, socket, sys, threading
line = socket.socket(socket.AF_UNIX)
line.connect(os.environ["RELAY"])
line.sendall(sys.argv[-1].encode() + b"\\n")
def send():
    while data := os.read(0, 65536):
        line.sendall(data)
    line.shutdown(socket.SHUT_WR)
threading.Thread(target=send, daemon=True).start()
status = b""
while data := line.recv(65536):
    os.write(1, data)
os._exit(0)
"""
FILE = blob(b"hello\n")
TREE = tree((b"100644", b"hello", FILE))
COMMIT = commit(TREE)
CREATE = (ZERO, id_of(COMMIT), "refs/heads/master")


class Wire:
    """One connection of a relay, as the receiver sees it; what it tells the person is kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, told: list[str]) -> None:
        self._reader = reader
        self._writer = writer
        self._told = told

    @property
    def source(self) -> str:
        return "192.0.2.7"

    async def read(self) -> bytes:
        return await self._reader.read(65536)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def tell(self, text: str) -> None:
        self._told.append(text)


class Line:
    """The server's end of all relays."""

    def __init__(self, server: Server, address: Path) -> None:
        self.server = server
        self.address = address
        self.told: list[str] = []
        self.statuses: list[int] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def git(self, git: Git) -> Git:
        """The same git, which reaches us in place of any host."""
        relay = self.address.with_name("relay.py")
        relay.write_text(RELAY)
        git.environ |= {
            "GIT_SSH_COMMAND": f"{sys.executable} -S {relay}",
            "GIT_SSH_VARIANT": "simple",
            "RELAY": str(self.address),
        }
        return git

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        service, _, name = (await reader.readline()).decode().strip().partition(" ")
        wire = Wire(reader, writer, self.told)
        with suppress(ConnectionError):
            self.statuses.append(await serve(self.server.receiver, OPERATOR, service, name.strip("'/"), wire))
        writer.close()
        self.tasks.discard(task)


URL = "ssh://git@host/myapp.git"


@pytest.fixture(params=["auto", "never"])
async def either(request: pytest.FixtureRequest, make_server: MakeServer) -> Server:
    return await make_server(git_program=request.param)


async def _listen(server: Server, folder: Path) -> tuple[Line, asyncio.Server]:
    line = Line(server, folder / "line.sock")
    with short_path(line.address) as name:
        listening = await asyncio.start_unix_server(line.serve, name)
    return line, listening


@pytest.fixture
async def line(server: Server, tmp_path: Path) -> AsyncIterator[Line]:
    line, listening = await _listen(server, tmp_path)
    yield line
    listening.close()
    for task in list(line.tasks):
        await asyncio.wait({task})


@pytest.fixture
async def either_line(either: Server, tmp_path: Path) -> AsyncIterator[Line]:
    line, listening = await _listen(either, tmp_path)
    yield line
    listening.close()
    for task in list(line.tasks):
        await asyncio.wait({task})


async def test_a_push_a_clone_and_a_fetch(either_line: Line, git: Git) -> None:
    over, server = either_line.git(git), either_line.server
    first = await over.commit({"a": "1", "b/c": "2"})

    pushed = await over("push", URL, "master")
    await over.ok("clone", "-q", URL, "../copy")
    copy = either_line.git(Git(git.folder.parent / "copy"))
    for number in range(40):  # so many that git asks in several rounds
        await copy.commit({f"own{number}": "x"}, message=f"own {number}")
        second = await over.commit({"a": str(number)})
    await over.ok("push", URL, "master", "master:feature")
    await copy.ok("fetch", "-q", "origin")

    assert pushed.code == 0, pushed.err
    assert "remote: -----> Building" in pushed.err
    assert server.deploys.done[0].commit == first
    assert await copy.ok("rev-parse", "origin/master", "origin/feature") == f"{second}\n{second}"
    assert (copy.folder / "b/c").read_text() == "2"
    assert either_line.statuses == [0, 0, 0, 0]


async def test_a_large_pack(line: Line, git: Git) -> None:
    over = line.git(git)
    await over.commit({"large": os.urandom(5_000_000)})

    assert (await over("push", URL, "master")).code == 0


async def test_a_failed_deploy_refuses_the_push_and_the_same_push_works_again(line: Line, git: Git) -> None:
    over = line.git(git)
    await over.commit({"a": "1"})
    line.server.deploys.script = fail_build

    refused = await over("push", URL, "master")
    line.server.deploys.script = None
    works = await over("push", URL, "master")

    assert (refused.code, works.code) == (1, 0)
    assert "! [remote rejected] master -> master (build failed)" in refused.err
    assert line.statuses == [0, 0]


async def test_an_app_that_is_not_there_is_told_in_one_line(line: Line, git: Git) -> None:
    over = line.git(git)
    await over.commit({"a": "1"})

    for words in (("push", URL.replace("myapp", "noapp"), "master"), ("clone", URL.replace("myapp", "../x"), "../copy")):
        ran = await over(*words)
        assert ran.code == 128
        assert "fatal: remote error: Couldn't find that app." in ran.err
        assert "pushd create" in ran.err
    assert line.statuses == [1, 1]


async def test_push_options_deletes_and_nothing_to_do(line: Line, git: Git) -> None:
    over = line.git(git)
    await over.commit({"a": "1"})

    await over.ok("push", "-o", "no-deploy", URL, "master", "master:feature")
    deleted = await over("push", URL, ":feature")  # nothing follows: git waits for our answer with the line open
    nothing = await over("push", URL, "master")
    unknown = await over("push", "-o", "fast", URL, "master:other")

    assert line.server.deploys.done == []
    assert (deleted.code, nothing.code) == (0, 0)
    assert "Everything up-to-date" in nothing.err
    assert unknown.code == 1
    assert "Unknown push option 'fast'" in unknown.err
    assert set(await line.server.refs()) == {"refs/heads/master"}


async def test_a_client_that_goes_away_cancels_nothing(line: Line, git: Git) -> None:
    over, gate = line.git(git), asyncio.Event()

    async def script(transcript: Transcript) -> None:
        transcript.say("-----> Waiting")
        await gate.wait()

    line.server.deploys.script = script
    await over.commit({"a": "1"})
    push = await over.start("push", URL, "master")
    await read_until(push, b"Waiting")
    os.killpg(push.pid, signal.SIGINT)
    await finish_push(push)
    await until(lambda: not line.tasks)
    gate.set()
    await line.server.assert_clean()

    assert len(line.server.deploys.done) == 1
    assert "refs/heads/master" in await line.server.refs()


async def talk(line: Line, service: str, send: bytes, *, end: bool) -> bytes:
    """All that the server says to a client that sends this and, perhaps, no end."""
    with short_path(line.address) as name:
        reader, writer = await asyncio.open_unix_connection(name)
    writer.write(f"{service} 'myapp.git'\n".encode() + send)
    if end:
        writer.write_eof()
    data = await reader.read()
    writer.close()
    return data


@pytest.mark.parametrize("end", [True, False], ids=["with an end", "with the line left open"])
async def test_a_pack_ends_by_itself(line: Line, end: bool) -> None:
    answer = await talk(line, "git-receive-pack", push_body([CREATE], pack([FILE, TREE, COMMIT])), end=end)

    assert b"unpack ok" in answer
    assert b"ok refs/heads/master" in answer


@pytest.mark.parametrize("send", [b"zzzz", b"0003", push_body([CREATE, CREATE]), b"00ffshort"])
async def test_what_is_not_the_protocol_is_told_to_the_person(line: Line, send: bytes) -> None:
    await talk(line, "git-receive-pack", send, end=True)

    assert line.statuses == [1]
    assert line.told
    assert line.told[0].startswith(" ! ")
    await line.server.assert_clean()


async def test_an_empty_push_is_fine(line: Line) -> None:
    await talk(line, "git-receive-pack", FLUSH, end=False)

    assert line.statuses == [0]


async def test_a_broken_pack_is_refused_when_the_client_has_ended(line: Line) -> None:
    whole = pack([FILE, TREE, COMMIT])

    answer = await talk(line, "git-receive-pack", push_body([CREATE], whole[:-1] + b"?"), end=True)

    assert b"unpack ok" not in answer
    assert b"ng refs/heads/master" in answer
    assert await line.server.refs() == {}


async def test_a_client_that_says_nothing_for_too_long(line: Line, skip: Callable[[float], None]) -> None:
    with short_path(line.address) as name:
        reader, writer = await asyncio.open_unix_connection(name)
    writer.write(b"git-receive-pack 'myapp.git'\n")
    await reader.readuntil(FLUSH)  # all that we say before it is the client's turn
    for _ in range(10):
        await asyncio.sleep(0)
    skip(stream.SILENCE_SECONDS)
    await reader.read()
    writer.close()

    assert line.statuses == [1]
    assert "Nothing came for 600 seconds." in line.told[0]


@pytest.mark.parametrize("has_asked", [False, True])
async def test_a_fetch_ends_with_the_right_to_it(either_line: Line, git: Git, has_asked: bool) -> None:
    server = either_line.server
    commit = await git.commit({"a": "1"})
    await git.ok("push", server.url, "master")
    with short_path(either_line.address) as name:
        reader, writer = await asyncio.open_unix_connection(name)
    writer.write(b"git-upload-pack 'myapp.git'\n")
    await reader.readuntil(FLUSH)

    if has_asked:
        server.users.gone = True  # and nobody has looked again so far
        writer.write(pkt(f"want {commit}\n".encode()) + FLUSH + pkt(b"done\n"))
    else:
        server.end_user()

    assert b"PACK" not in await reader.read()
    writer.close()
    assert either_line.statuses == [1]
    assert "Invalid credentials" in either_line.told[0]


@pytest.mark.parametrize("cut", [1, 7, 19, 20, 21, 1000])
async def test_the_end_of_a_pack_is_found_however_it_is_cut(cut: int) -> None:
    whole = pack([blob(os.urandom(3000)), FILE])
    pieces = [whole[start : start + cut] for start in range(0, len(whole), cut)]

    async def read() -> bytes:
        if not pieces:
            raise BadRequest("read on behind the pack")
        return pieces.pop(0)

    read_on, seen = one_pack(read), b""
    while data := await read_on():
        seen += data
    assert seen == whole


async def test_an_end_that_stands_in_the_middle_cuts_the_pack_short() -> None:
    head = b"PACK" + bytes(8) + b"some"
    pieces = [head + hashlib.sha1(head).digest(), b"more"]

    async def read() -> bytes:
        return pieces.pop(0)

    read_on = one_pack(read)
    assert (await read_on())[:16] == head
    assert await read_on() == b""
