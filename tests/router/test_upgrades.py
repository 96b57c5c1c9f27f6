"""WebSockets and other upgrades: the pair of connections becomes a pipe."""

from __future__ import annotations

import asyncio

from pushd.model.routing import WebState
from tests.router.conftest import Front, Serving, Wire

ASK = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: xyz\r\n\r\n"


async def upgraded(front: Front) -> tuple[Wire, Wire]:
    client = await front.ask("/chat", more=ASK)
    wire, head = await front.target.answer(SWITCH)
    assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in head
    assert b"Sec-WebSocket-Key: abc\r\n" in head
    answer = (await client.head()).lower()
    assert answer.startswith(b"http/1.1 101 ")
    assert b"connection: upgrade\r\nupgrade: websocket\r\n" in answer
    assert b"sec-websocket-accept: xyz\r\n" in answer
    return client, wire


async def test_bytes_pass_both_ways(front: Front) -> None:
    client, wire = await upgraded(front)
    for number in range(3):
        await client.send(b"ping %d" % number)
        await wire.exactly(b"ping %d" % number)
        await wire.send(b"pong %d" % number)
        await client.exactly(b"pong %d" % number)
    client.close()
    assert await wire.ended()
    wire.close()
    line = await front.line()
    assert line.startswith('at=info method=GET path="/chat"')
    assert " status=101 bytes=18 " in line


async def test_bytes_read_before_the_switch_are_passed_on(front: Front) -> None:
    client = await front.connect()
    await client.send(f"GET / HTTP/1.1\r\nHost: shop.localhost\r\n{ASK}\r\nearly".encode())
    wire, _ = await front.target.answer(SWITCH + b"greeting")
    await client.head()
    await client.exactly(b"greeting")
    await wire.exactly(b"early")


async def test_a_target_that_declines_answers_as_usual(front: Front) -> None:
    client = await front.ask(more=ASK)
    wire, _ = await front.target.answer(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno")
    assert (await client.answer()).status == 426
    await client.send(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")
    await wire.head()


async def test_one_side_may_end_before_the_other(front: Front) -> None:
    client, wire = await upgraded(front)
    client.writer.write_eof()
    assert await wire.rest() == b""
    await wire.send(b"last words")
    await client.exactly(b"last words")
    wire.close()
    assert await client.ended()
    assert " status=101 bytes=10 " in await front.line()


async def test_a_target_that_ends_the_pipe_ends_the_client(front: Front) -> None:
    client, wire = await upgraded(front)
    await wire.send(b"bye")
    wire.close()
    await client.exactly(b"bye")
    assert await client.ended()


async def test_a_target_that_resets_ends_the_client(front: Front) -> None:
    client, wire = await upgraded(front)
    wire.reset()
    assert await client.ended()


async def test_a_silent_pipe_is_ended(serving: Serving) -> None:
    async with serving(idle_seconds=0.05) as front:
        client, wire = await upgraded(front)
        assert await client.ended()
        assert await wire.ended()
        assert (await front.line()).startswith('at=error code=H15 desc="Idle connection" sock=backend')


async def test_a_pipe_is_cut_when_the_drain_time_is_over(serving: Serving) -> None:
    async with serving(drain_seconds=0.03) as front:
        client, wire = await upgraded(front)
        front.apply(targets=(), state=WebState.NONE)
        assert front.proxy.draining == ["id-web.1"]
        assert await client.ended()
        assert await wire.ended()
        assert front.drained == ["id-web.1"]


async def test_a_pipe_holds_a_side_that_is_faster_than_the_other(front: Front) -> None:
    client, wire = await upgraded(front)
    total = 20_000_000
    sending = asyncio.ensure_future(wire.send(b"x" * total))
    received = 0
    while received < total:
        received += len(await client.reader.read(1 << 16))
    await sending


async def test_http_2_is_not_switched_to(front: Front) -> None:
    await front.ask(more="Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n")
    wire = await front.target.accept()
    head = await wire.head()
    assert b"Upgrade" not in head
    assert b"HTTP2" not in head


async def test_an_upgrade_with_a_body_is_a_plain_request(front: Front) -> None:
    client = await front.ask(method="POST", more=ASK + "Content-Length: 2\r\n")
    await client.send(b"hi")
    wire = await front.target.accept()
    assert b"Upgrade" not in await wire.head()
    await wire.exactly(b"hi")
