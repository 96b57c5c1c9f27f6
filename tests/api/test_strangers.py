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

from pushd.api import strangers
from tests.api.conftest import TOKEN, Api

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
    async with connections(api, 1, A_CALL) as ((known, writer),), connections(api, 1, A_REQUEST) as ((unknown, _),):
        assert (await status_of(known), await status_of(unknown)) == (200, 200)
        async with connections(api, strangers.PER_SOURCE, A_REQUEST) as others:
            for reader, _ in others:
                assert await status_of(reader) == 200
            assert await ended(unknown)
            writer.write(A_CALL)
            assert await status_of(known) == 200


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
