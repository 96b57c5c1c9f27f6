"""Who opens connections and says nothing whole is waited for a while, and shuts nobody out."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pushd.access import slowdown
from pushd.access.slowdown import Slowdown
from pushd.api import strangers
from pushd.api.needs import ACCESS
from pushd.kit.crowd import Crowd
from tests.api.conftest import TOKEN, Api
from tests.fakes import FakeClock

HALF_A_HEAD = b"GET /apps HTTP/1.1\r\nHost: x\r\nX-Slow: "
HALF_A_BODY = b"POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
HALF_A_HANDSHAKE = b"\x16\x03\x01\x02\x00"
A_REQUEST = b"GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n"
A_CALL = b"GET /account HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n\r\n" % TOKEN.encode()
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connections(api: Api, count: int, data: bytes, *, source: str = "127.0.0.3") -> AsyncIterator[list[Streams]]:
    """So many from one address, each with the same first bytes."""
    host, port = api.address.split(":")
    found = []
    for _ in range(count):
        found.append(await asyncio.open_connection(host, int(port), local_addr=(source, 0)))
        found[-1][1].write(data)
    try:
        yield found
    finally:
        for _, writer in found:
            writer.close()
        for _, writer in found:
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def status_of(reader: asyncio.StreamReader) -> int:
    """Of one answer, read to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length"))
    await reader.readexactly(length)
    return int(head.split()[1])


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("data", [HALF_A_HEAD, HALF_A_BODY, HALF_A_HANDSHAKE], ids=["head", "body", "handshake"])
async def test_of_half_requests_from_one_source_the_oldest_go_and_calls_are_answered(api: Api, data: bytes) -> None:
    async with connections(api, strangers.PER_SOURCE + 20, data) as waiting:
        ends = [asyncio.create_task(ended(reader), name=str(n)) for n, (reader, _) in enumerate(waiting)]
        for end in [await each for each in itertools.islice(asyncio.as_completed(ends), 20)]:
            assert end
        assert all(int(end.get_name()) < strangers.PER_SOURCE for end in ends if end.done())
        for source in ("127.0.0.3", "127.0.0.4"):
            async with connections(api, 1, A_CALL, source=source) as ((reader, _),):
                assert await status_of(reader) == 200
        for end in ends:
            end.cancel()


async def test_idle_connections_are_bounded_but_for_those_that_came_with_a_token(api: Api) -> None:
    refused = A_CALL.replace(b"/account", b"/apps/nowhere")
    async with connections(api, 1, refused) as ((known, writer),), connections(api, 1, A_REQUEST) as ((unknown, _),):
        assert (await status_of(known), await status_of(unknown)) == (404, 200)
        async with connections(api, strangers.PER_SOURCE, A_REQUEST) as others:
            for reader, _ in others:
                assert await status_of(reader) == 200
            assert await ended(unknown)
            writer.write(A_CALL)
            assert await status_of(known) == 200


async def test_of_those_who_came_with_a_wrong_token_only_so_many_wait(api: Api) -> None:
    """While they do, they are being answered: nobody dismisses them."""
    application, clock = api.server._runner.app, FakeClock()
    application[ACCESS]._slowdown = Slowdown(clock)
    wrong = A_CALL.replace(TOKEN.encode(), b"wrong")
    async with connections(api, slowdown.WAITING_PER_SOURCE + 10, wrong) as waiting:
        answers = [asyncio.create_task(status_of(reader)) for reader, _ in waiting]
        for answer in itertools.islice(asyncio.as_completed(answers), 10):
            assert await answer == 429
        async with connections(api, 1, A_CALL) as ((reader, _),):
            assert await status_of(reader) == 200
        await clock.advance(2.0)
        assert sorted(await asyncio.gather(*answers)) == [401] * slowdown.WAITING_PER_SOURCE + [429] * 10


async def test_of_those_who_ask_for_one_login_one_waits(api: Api) -> None:
    login = (await api.request("POST", "/auth", {}, token=None)).json
    poll = f"GET {login['cli_url']} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {login['token']}\r\n\r\n".encode()
    async with connections(api, 20, poll) as asking:
        answers = [asyncio.create_task(reader.readuntil(b"\r\n0\r\n\r\n")) for reader, _ in asking]
        for answer in itertools.islice(asyncio.as_completed(answers), 19):
            assert b"Another program asks" in await answer
        async with connections(api, 1, A_CALL) as ((reader, _),):
            assert await status_of(reader) == 200
        (last,) = (answer for answer in answers if not answer.done())
        last.cancel()


async def test_a_head_is_small(api: Api) -> None:
    """So much of each may have to be kept until its end is there."""
    for head in (b"X: %b\r\n" % (b"a" * 8200), b"X: a\r\n" * 70):
        async with connections(api, 1, b"GET /apps HTTP/1.1\r\nHost: x\r\n" + head) as ((reader, _),):
            assert await status_of(reader) == 400


async def test_what_is_no_http_is_read_no_further(api: Api) -> None:
    """aiohttp would keep all that comes until it has refused it, some megabytes of each."""
    read = list[bytes]()

    class Handler(asyncio.Protocol):
        def __init__(self) -> None:
            self.handler = api.server._runner.server()
            self._messages = self.handler._messages

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.handler.connection_made(transport)

        def data_received(self, data: bytes) -> None:
            read.append(data)
            self.handler.data_received(data)

    server = await asyncio.get_running_loop().create_server(
        lambda: strangers.HttpDoor(Handler, api.server.strangers), "127.0.0.1"
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"no HTTP\r\n" * 1_000_000)
        with contextlib.suppress(ConnectionError):
            assert b" 400 " in await reader.readuntil(b"\r\n")
        writer.close()
    assert len(read) == 1


async def test_a_body_of_somebody_who_has_shown_no_token_is_small(api: Api) -> None:
    said = {"description": "x" * 20_000}
    assert (await api.request("POST", "/auth", said, token=None)).status == 413
    assert (await api.request("PATCH", "/account", {"name": "Ada", **said})).status == 200


async def test_half_a_head_is_told_that_it_is_late(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "_HEAD_SECONDS", 0.05)
    async with connections(api, 1, HALF_A_HEAD) as ((reader, _),):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["id"] == "request_timeout"


async def test_a_connection_that_is_known_goes_on_as_long_as_it_likes(api: Api) -> None:
    """Neither the time for its head nor that for its handshake ends it later."""
    trusting = ssl.create_default_context(cafile=str(api.server.authority))
    host, port = api.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=trusting, server_hostname="localhost")
    for _ in range(2):
        writer.write(A_CALL)
        assert await status_of(reader) == 200
    assert len(api.server.strangers.crowd) == 0
    writer.close()
    await writer.wait_closed()


async def test_a_user_has_so_many_connections_that_others_have_some_too(api: Api) -> None:
    """Whatever is under way on them; of who has too many those that were silent for longest go, and nobody else's."""
    api.server.strangers.users = Crowd(per_source=5, at_most=100)
    account, _ = await api.store.accounts.add("ada@example.com", is_admin=False, by=api.operator)
    _, token = await api.store.users.create_authorization(account.user, "hers")
    call = A_CALL.replace(TOKEN.encode(), token.encode())
    async with connections(api, 1, A_CALL) as ((operators, writer),), connections(api, 8, b"") as theirs:
        assert await status_of(operators) == 200
        for reader, their_writer in theirs:  # one by one: who makes room is not answered any more
            their_writer.write(call)
            assert await status_of(reader) == 200
        for reader, _ in theirs[:3]:
            assert await ended(reader)
        assert not [reader for reader, _ in theirs[3:] if reader.at_eof()]
        writer.write(A_CALL)
        assert await status_of(operators) == 200
