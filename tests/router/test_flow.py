"""Which target gets a request, what a new table changes, and how much is held in between."""

from __future__ import annotations

import asyncio
import contextlib

from pushd.model.routing import Route, Table, WebState
from tests.router.conftest import Front, ScriptedTarget, Serving, Wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SIZE = 30_000_000


async def test_the_least_loaded_target_gets_the_next_request(serving: Serving) -> None:
    async with serving(targets=3) as front:
        for _ in range(6):
            await front.ask()
        for target in front.targets:
            for _ in range(2):
                await (await target.accept()).head()


async def test_ties_go_round(serving: Serving) -> None:
    async with serving(targets=2) as front:
        client = await front.connect()
        for _ in range(2):
            served = []
            for _ in range(2):
                await client.send(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\nX: y\r\n\r\n")
                served.append(await _answer_one(front.targets))
                await client.answer()
            assert set(served) == {"web.1", "web.2"}


async def _answer_one(targets: list[ScriptedTarget]) -> str:
    """Whichever target is asked answers, on a connection that it then closes."""
    waiting = {asyncio.ensure_future(target.accept()): target for target in targets}
    done, others = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    accepted = done.pop()
    wire = accepted.result()
    await wire.head()
    await wire.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    return waiting[accepted].name


async def test_a_new_table_moves_traffic_at_once_and_lets_requests_finish(serving: Serving) -> None:
    async with serving(targets=2) as front:
        old, new = front.targets
        front.apply(targets=(old.target,))
        front.drained.clear()
        busy = await front.ask("/busy")
        first = await old.accept()
        await first.head()
        idle = await front.ask("/idle")
        second = await old.accept()
        await second.head()
        await second.send(OK)
        await idle.answer()
        front.apply(targets=(new.target,))
        assert await second.ended()  # idle connections of a target that left are closed
        client = await front.ask("/new")
        await new.answer(OK)
        assert (await client.answer()).status == 200
        assert front.drained == []
        await first.send(OK)
        assert (await busy.answer()).status == 200
        assert front.drained == [old.target.dyno_id]
        assert await first.ended()


async def test_a_target_that_comes_back_is_not_drained(front: Front) -> None:
    targets = front.route.targets
    client = await front.ask()
    wire = await front.target.accept()
    await wire.head()
    front.apply(targets=(), state=WebState.BOOTING)
    front.apply(targets=targets, state=WebState.SERVING)
    await wire.send(OK)
    assert (await client.answer()).status == 200
    assert front.drained == []


async def test_an_idle_target_is_drained_at_once(front: Front) -> None:
    front.apply(targets=(), state=WebState.NONE)
    assert front.drained == ["id-web.1"]
    assert front.proxy.draining == []


async def test_a_request_over_the_drain_time_is_cut(serving: Serving) -> None:
    async with serving(drain_seconds=0.02) as front:
        client = await front.ask()
        await (await front.target.accept()).head()
        front.apply(targets=(), state=WebState.NONE)
        assert (await client.answer()).status == 503
        assert (await front.line()).startswith(
            'at=error code=H18 desc="Server Request Interrupted" cause="drain time over" sock=backend'
        )
        assert front.drained == ["id-web.1"]


async def test_apps_are_told_apart_by_host_and_others_go_to_the_default(serving: Serving) -> None:
    async with serving(targets=2) as front:
        shop = Route(app_id="1", app_name="shop", hosts=("shop.localhost", "*.shop.example"), state=WebState.SERVING,
                     targets=(front.targets[0].target,))  # fmt: skip
        blog = Route(app_id="2", app_name="blog", hosts=("blog.localhost",), state=WebState.SERVING,
                     targets=(front.targets[1].target,))  # fmt: skip
        front.proxy.apply(Table(number=7, routes=(shop, blog), default_app_id="2"))
        for host, target in (("shop.localhost", 0), ("a.shop.example", 0), ("a.b.shop.example", 1), ("203.0.113.9", 1)):
            client = await front.connect()
            await client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            await front.targets[target].answer(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            assert (await client.answer()).status == 200


async def test_a_fast_target_waits_for_a_slow_client(front: Front) -> None:
    client = await front.ask()
    wire, _ = await front.target.answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
    await client.head()
    sending = asyncio.ensure_future(wire.send(b"x" * SIZE))
    await _until_still(wire)
    assert not sending.done()  # held by us, and we hold little of it
    assert next(iter(front.proxy.clients)).transport.get_write_buffer_size() < 1_000_000
    received = 0
    while received < SIZE:
        received += len(await client.reader.read(1 << 18))
    await sending


async def test_a_fast_upload_waits_for_a_slow_target(front: Front) -> None:
    client = await front.ask(method="POST", more=f"Content-Length: {SIZE}\r\n")
    wire = await front.target.accept()
    await wire.head()
    sending = asyncio.ensure_future(client.send(b"x" * SIZE))
    await _until_still(client)
    assert not sending.done()
    received = 0
    while received < SIZE:
        received += len(await wire.reader.read(1 << 18))
    await sending
    await wire.send(OK)
    assert (await client.answer()).status == 200


async def test_an_upload_to_a_booting_app_is_held_in_the_client(serving: Serving) -> None:
    async with serving(state=WebState.BOOTING) as front:
        targets = front.route.targets
        front.apply(targets=())
        client = await front.ask(method="POST", more=f"Content-Length: {SIZE}\r\n")
        sending = asyncio.ensure_future(client.send(b"x" * SIZE))
        await _until_still(client)
        assert not sending.done()
        front.apply(targets=targets)
        wire = await front.target.accept()
        await wire.head()
        received = 0
        while received < SIZE:
            received += len(await wire.reader.read(1 << 18))
        await sending


async def test_finish_lets_requests_end_and_closes_idle_clients(front: Front) -> None:
    idle, busy = await front.connect(), await front.ask()
    wire = await front.target.accept()
    await wire.head()
    finishing = asyncio.ensure_future(front.proxy.finish(30))
    assert await idle.ended()
    await wire.send(OK)
    answer = await busy.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    await finishing
    with contextlib.suppress(ConnectionError):
        assert await busy.ended()


async def _until_still(wire: Wire) -> None:
    """Wait until nothing moves any more: what is not sent now is held back."""
    transport, last, same = wire.writer.transport, -1, 0
    while same < 5:
        await asyncio.sleep(0.01)
        now = transport.get_write_buffer_size()
        same = same + 1 if now == last else 0
        last = now
