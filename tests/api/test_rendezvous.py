"""Attached one-off dynos over the rendezvous protocol, with real TLS; and what else may come inside TLS."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pushd.errors import BootFailed
from pushd.model.app import App
from pushd.model.terminal import TerminalSize
from tests.api.attached import FakeAttached
from tests.api.conftest import Api, share

SECRET = b"0123456789abcdef" * 4
GREETING = b"rendezvous\r\n"
SUFFIX = ' ; echo "\uffff heroku-command-exit-status: $?"'


class Client:
    """What the CLI does: TLS, the line, bytes."""

    def __init__(self, api: Api, app: App) -> None:
        self.api = api
        self.app = app
        self.made: list[FakeAttached] = []
        self.writers: list[asyncio.StreamWriter] = []

    def put(self, command: str, **options: Any) -> FakeAttached:
        """Let a dyno wait for the secret."""
        self.made.append(FakeAttached(command, **options))
        self.made[-1].user, self.made[-1].app_id = self.api.operator, self.app.id
        self.api.runs.waiting[SECRET.decode()] = self.made[-1]
        return self.made[-1]

    async def connect(self, first: bytes = SECRET + b"\r\n") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.api.address.rpartition(":")
        tls = ssl.create_default_context(cafile=str(self.api.tls / "ca.pem"))
        reader, writer = await asyncio.open_connection(host, int(port), ssl=tls, server_hostname="localhost")
        self.writers.append(writer)
        writer.write(first)
        return reader, writer

    async def run(self, sent: bytes = b"", first: bytes = SECRET + b"\r\n") -> bytes:
        """Everything that comes until the server closes."""
        reader, writer = await self.connect(first)
        async with asyncio.timeout(30):
            reading = asyncio.create_task(reader.read())
            writer.write(sent)
            await writer.drain()
            return await reading

    async def close(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        for attached in self.made:
            await attached.end()


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Client]:
    client = Client(api, await api.create("runs"))
    yield client
    await client.close()


async def test_output_in_order_after_the_greeting(client: Client) -> None:
    attached = client.put("echo 1; echo 2 >&2; echo 3")

    assert await client.run() == GREETING + b"1\n2\n3\n"
    assert attached.asked == (True, False)
    await asyncio.wait_for(attached.left.wait(), 30)


async def test_greeting_and_exit_mark_are_records_of_their_own(client: Client) -> None:
    client.put("printf half; exit 3")
    host, _, port = client.api.address.rpartition(":")
    tls = ssl.create_default_context(cafile=str(client.api.tls / "ca.pem"))

    records = await asyncio.to_thread(_records, (host, int(port)), tls, SECRET + b"?exit-status\r\n")

    assert records == [GREETING, b"half", "\uffff heroku-command-exit-status: 3\n".encode()]


def _records(address: tuple[str, int], tls: ssl.SSLContext, line: bytes) -> list[bytes]:
    """OpenSSL gives one record at a time."""
    import socket

    with socket.create_connection(address, timeout=30) as plain, tls.wrap_socket(plain, server_hostname="localhost") as wrapped:
        wrapped.sendall(line)
        return list(iter(lambda: wrapped.recv(65536), b""))


@pytest.mark.parametrize(("sent", "got"), [
    (b"abc\x04", b"abc"), (b"\x04", b""), (b"a\x04b\n\x04", b"a\x04b\n"), (b"\x04\x04", b"\x04"),
])  # fmt: skip
async def test_without_a_terminal_a_last_0x04_is_the_end_of_input(client: Client, sent: bytes, got: bytes) -> None:
    client.put("cat")
    assert await client.run(sent) == GREETING + got


async def test_0x04_followed_by_more_is_data(client: Client) -> None:
    client.put("head -c 5")
    reader, writer = await client.connect()
    writer.write(b"ab\x04")
    await writer.drain()
    writer.write(b"cd\x04")
    assert await reader.read() == GREETING + b"ab\x04cd"


async def test_a_terminal_gets_every_key(client: Client) -> None:
    client.put("cat; stty size", size=TerminalSize(99, 22))
    reader, writer = await client.connect()
    await reader.readuntil(GREETING)
    writer.write(b"hi\n\x04")
    assert await reader.read() == b"hi\r\nhi\r\n22 99\r\n"


async def test_much_comes_through_both_ways(client: Client) -> None:
    client.put("cat")
    data = os.urandom(3 << 20).replace(b"\x04", b"\x05")
    assert await client.run(data + b"\x04") == GREETING + data


async def test_what_cannot_start_says_why(client: Client) -> None:
    client.put("true", refuses=BootFailed("Cannot start run.1."))
    assert await client.run() == GREETING + b" !    Cannot start run.1.\r\n"


@pytest.mark.parametrize("line", [
    b"0" * 64 + b"\r\n", b"0\n", b"a" * 500, b"ab \x00\xff\r\n", SECRET + b"x\r\n", b"0" * 100_000 + b"\n",
])  # fmt: skip
async def test_what_nobody_waits_for_is_closed_without_a_word(client: Client, line: bytes) -> None:
    client.put("true")
    with contextlib.suppress(ConnectionError):  # the server closed while more was coming
        assert await client.run(first=line) == b""


async def test_a_secret_holds_once(client: Client) -> None:
    client.put("exec cat")
    reader, _ = await client.connect()
    assert await reader.readexactly(len(GREETING)) == GREETING

    assert await client.run() == b""


async def test_half_a_line_is_waited_for(client: Client) -> None:
    client.put("echo hi")
    reader, writer = await client.connect(SECRET[:10])
    await writer.drain()
    writer.write(SECRET[10:] + b"\r\n")
    assert await reader.read() == GREETING + b"hi\n"


async def test_what_follows_the_line_at_once_is_input(client: Client) -> None:
    client.put("head -n 1")
    assert await client.run(first=SECRET + b"\nhello\n") == GREETING + b"hello\n"


@pytest.mark.parametrize("stage", ["before the line", "in the line", "after it"])
async def test_a_client_that_vanishes_leaves_nothing(client: Client, stage: str) -> None:
    attached = client.put("exec sleep 600")
    reader, writer = await client.connect({"before the line": b"", "in the line": SECRET[:9]}.get(stage, SECRET + b"\n"))
    if stage == "after it":
        await reader.readexactly(len(GREETING))

    writer.transport.abort()

    if stage == "after it":
        await asyncio.wait_for(attached.left.wait(), 30)


async def test_the_api_answers_inside_tls_as_before(client: Client) -> None:
    reader, _ = await client.connect(b"GET /-/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")


async def test_the_url_is_as_the_client_sees_the_server(api: Api) -> None:
    await api.deployed("shop")
    body = {"command": f"flask routes{SUFFIX}", "attach": True, "env": {"TERM": "xterm", "COLUMNS": 111, "LINES": 33}}

    for host, shown in (("box.localhost:5000", "box.localhost:5000"), ("[::1]:7", "[::1]:7"), ("box", "box:80")):
        answer = await api.request("POST", "/apps/shop/dynos", body, headers={"Host": host})
        assert answer.json["attach_url"] == f"rendezvous://{shown}/{'ab12' * 16}?exit-status"

    assert (answer.status, answer.json["state"], answer.json["command"]) == (201, "starting", "flask routes")
    assert api.runs.asked[-1] == ("attach", "flask routes", {"TERM": "xterm", "COLUMNS": "111", "LINES": "33"})
    assert api.runs.size == TerminalSize(111, 33)


@pytest.mark.parametrize(("more", "size"), [
    ({}, None), ({"force_no_tty": True, "env": {"COLUMNS": 80}}, None),
    ({"env": {"COLUMNS": 0, "LINES": 0}}, TerminalSize(80, 24)),
    ({"env": {"COLUMNS": "100"}, "size": "standard-2x", "type": "worker"}, TerminalSize(100, 24)),
])  # fmt: skip
async def test_who_gets_a_terminal(api: Api, more: dict[str, Any], size: TerminalSize | None) -> None:
    await api.deployed("shop")
    answer = await api.request("POST", "/apps/shop/dynos", {"command": "bash", "attach": True, **more})

    assert (answer.status, api.runs.size) == (201, size)
    assert not answer.json["attach_url"].endswith("?exit-status")


async def test_who_loses_the_app_is_hung_up_on(client: Client) -> None:
    attached = client.put("cat")
    attached.user = await share(client.api, "runs")
    reader, _ = await client.connect()
    assert await reader.readexactly(len(GREETING)) == GREETING

    await client.api.request("DELETE", "/apps/runs/collaborators/ada@example.com")

    assert await reader.read() == b""
    await attached.left.wait()


async def test_who_has_lost_the_app_is_told_nothing(client: Client) -> None:
    attached = client.put("echo out")
    attached.user = await share(client.api, "runs")
    await client.api.request("DELETE", "/apps/runs/collaborators/ada@example.com")

    assert await client.run() == b""
    assert attached.asked is None
