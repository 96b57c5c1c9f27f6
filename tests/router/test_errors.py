"""Every code: what the visitor gets, what the log says, and what becomes of the connection."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest

from pushd.model.routing import Table, Target, WebState
from pushd.router.codes import CODES
from pushd.router.limits import Limits
from pushd.router.pages import page
from tests.router.conftest import Front, ScriptedTarget, Serving, Wire, quick

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def check(front: Front, client: Wire, code: str, status: int, *, dyno: str = "web.1", extra: str = "") -> str:
    """The client gets the code's page, the log its line."""
    answer = await client.answer()
    assert answer.status == status
    assert code.encode() in answer.body
    assert CODES[code].title.encode() in answer.body
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    return await check_line(front, code, status, dyno=dyno, extra=extra)


async def check_line(front: Front, code: str, status: int, *, dyno: str = "web.1", extra: str = "") -> str:
    line = await front.line()
    what = CODES[code]
    assert line.startswith(f'at={what.level} code={code} desc="{what.desc}"{extra} method=')
    assert f" dyno={dyno} connect=" in line
    assert f" status={status} bytes=" in line
    return line


@pytest.mark.parametrize(
    ("state", "code"),
    [(WebState.CRASHED, "H10"), (WebState.NONE, "H14"), (WebState.BLANK, "H81"), (WebState.SERVING, "H99")],
)
async def test_an_app_without_targets_says_why(front: Front, state: WebState, code: str) -> None:
    front.apply(targets=(), state=state)
    client = await front.ask("/page")
    line = await check(front, client, code, 503, dyno="")
    assert re.search(r'method=GET path="/page" host=shop\.localhost request_id=\S+ fwd="127\.0\.0\.1" dyno= connect= s', line)
    await client.send(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")  # the connection goes on
    await client.answer()


async def test_maintenance_says_when_to_come_back(front: Front) -> None:
    front.apply(maintenance=True)
    client = await front.ask()
    answer = await client.answer()
    assert (answer.status, answer.headers["retry-after"]) == (503, "60")
    assert b"<title>We will be back</title>" in answer.body
    assert (await front.line()).startswith('at=info code=H80 desc="Maintenance mode" method=GET')


async def test_pages_of_the_app_replace_ours(front: Front) -> None:
    front.apply(maintenance=True, maintenance_page="<h1>Schöne Pause</h1>")
    assert (await (await front.ask()).answer()).body == "<h1>Schöne Pause</h1>".encode()
    front.apply(maintenance=False, targets=(), state=WebState.CRASHED, error_page="<h1>Oh</h1>")
    assert (await (await front.ask()).answer()).body == b"<h1>Oh</h1>"
    front.apply(state=WebState.BLANK)
    assert b"H81" in (await (await front.ask()).answer()).body


async def test_a_page_answers_head_without_a_body(front: Front) -> None:
    front.apply(maintenance=True)
    client = await front.ask(method="HEAD")
    assert int((await client.answer(to_head=True)).headers["content-length"]) > 100
    await client.send(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")
    assert (await client.answer()).status == 503


async def test_an_unknown_host_gets_a_plain_404(front: Front) -> None:
    client = await front.connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: nobody.example\r\n\r\n")
    answer = await client.answer()
    assert answer.status == 404
    assert b"There is no application at this address" in answer.body
    assert not front.lines


async def test_booting_holds_requests_until_a_target_is_there(front: Front) -> None:
    targets = front.route.targets
    front.apply(targets=(), state=WebState.BOOTING)
    clients = [await front.ask(f"/{number}", method="POST", more="Content-Length: 2\r\n") for number in range(3)]
    for client in clients:
        await client.send(b"hi")
    front.apply(targets=targets, state=WebState.SERVING)
    for _ in clients:
        wire = await front.target.accept()
        await wire.head()
        await wire.exactly(b"hi")
        await wire.send(OK)
    for client in clients:
        assert (await client.answer()).status == 200


async def test_booting_for_too_long_is_h20(serving: Serving) -> None:
    async with serving(targets=0, state=WebState.BOOTING, limits=quick(queue_seconds=0.03)) as front:
        client = await front.ask()
        await check(front, client, "H20", 503, dyno="")


async def test_what_waits_learns_of_a_crash_at_once(serving: Serving) -> None:
    async with serving(targets=0, state=WebState.BOOTING) as front:
        client = await front.ask()
        await front.request_waits()
        front.apply(state=WebState.CRASHED)
        await check(front, client, "H10", 503, dyno="")


async def test_what_waits_learns_that_its_app_is_gone(serving: Serving) -> None:
    async with serving(targets=0, state=WebState.BOOTING) as front:
        client = await front.ask()
        await front.request_waits()
        front.proxy.apply(Table(number=9, routes=()))
        assert (await client.answer()).status == 404


async def test_too_many_that_wait_is_h11(serving: Serving) -> None:
    async with serving(requests_per_target=1) as front:
        first = await front.ask("/1")
        wire = await front.target.accept()
        await wire.head()
        second = await front.ask("/2")
        await front.request_waits()
        third = await front.ask("/3")
        await check(front, third, "H11", 503, dyno="")
        await wire.send(OK)
        assert (await first.answer()).status == 200
        await wire.head()
        await wire.send(OK)
        assert (await second.answer()).status == 200
        assert front.target.accepted == 1


async def test_the_backlog_of_a_booting_app_is_bounded(serving: Serving) -> None:
    async with serving(targets=0, state=WebState.BOOTING, limits=quick(boot_backlog=1)) as front:
        await front.ask()
        await front.request_waits()
        await check(front, await front.ask(), "H11", 503, dyno="")


async def test_waiting_for_room_too_long_is_h11(serving: Serving) -> None:
    async with serving(requests_per_target=1, limits=quick(queue_seconds=0.03)) as front:
        await front.ask("/1")
        wire = await front.target.accept()
        await wire.head()
        await check(front, await front.ask("/2"), "H11", 503, dyno="")


async def test_no_first_byte_in_time_is_h12(serving: Serving) -> None:
    async with serving(first_byte_seconds=0.03) as front:
        client = await front.ask()
        wire = await front.target.accept()
        await check(front, client, "H12", 503)
        await wire.head()
        assert await wire.ended()


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-"])
async def test_a_target_that_closes_without_an_answer_is_h13(front: Front, sent: bytes) -> None:
    client = await front.ask()
    wire, _ = await front.target.answer(sent)
    wire.close()
    await check(front, client, "H13", 503)


async def test_a_target_that_resets_is_h13(front: Front) -> None:
    client = await front.ask()
    wire, _ = await front.target.answer(b"")
    wire.reset()
    await check(front, client, "H13", 503)


async def test_a_target_that_falls_silent_in_its_answer_is_h15(serving: Serving) -> None:
    async with serving(idle_seconds=0.03) as front:
        client = await front.ask()
        await front.target.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await client.head()
        await client.exactly(b"half")
        assert await client.ended()
        await check_line(front, "H15", 503, extra=" sock=backend")


@pytest.mark.parametrize(
    "answer",
    [
        b"hello\r\n\r\n",
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
    ],
)
async def test_an_unreadable_answer_is_h17(front: Front, answer: bytes) -> None:
    client = await front.ask()
    wire, _ = await front.target.answer(answer)
    page = await client.answer()
    assert (page.status, b"H17" in page.body) == (503, True)
    assert (await front.line()).startswith('at=error code=H17 desc="Poorly formatted HTTP response" cause="')
    assert await wire.ended()


async def test_a_bad_chunk_in_an_answer_cuts_it(front: Front) -> None:
    client = await front.ask()
    wire, _ = await front.target.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await client.head()
    await wire.send(b"zz\r\n")
    assert await client.ended()
    assert (await front.line()).startswith('at=error code=H17 desc="Poorly formatted HTTP response" cause="chunk size"')


@pytest.mark.parametrize("framing", [b"Content-Length: 9", b"Transfer-Encoding: chunked"])
async def test_an_answer_that_breaks_off_is_h18(front: Front, framing: bytes) -> None:
    client = await front.ask()
    wire, _ = await front.target.answer(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
    await client.head()
    wire.close()
    assert await client.ended()
    await check_line(front, "H18", 503, extra=" sock=backend")


async def test_a_target_that_never_accepts_is_h19(serving: Serving) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        fillers = [socket.socket() for _ in range(2)]  # fill its backlog: further connections are left waiting
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        slow = Target(dyno_id="slow", name="web.9", port=address[1])
        async with serving(targets=0, limits=quick(connect_seconds=0.05, connect_tries=2)) as front:
            front.apply(targets=(slow,))
            await check(front, await front.ask(), "H19", 503, dyno="web.9")
            assert front.refused == ["slow", "slow"]
        for filler in fillers:
            filler.close()


async def test_a_target_that_refuses_is_h21_after_ten_tries(serving: Serving) -> None:
    async with serving(targets=0, limits=quick(aside_seconds=0.001)) as front:
        front.apply(targets=(await _refusing(),))
        await check(front, await front.ask(), "H21", 503, dyno="web.9")
        assert front.refused == ["refuses"] * 10


async def test_a_target_that_took_a_connection_since_is_left_alone_as_briefly_as_at_first(front: Front) -> None:
    live = front.proxy.targets[front.target.target.dyno_id]
    for _ in range(3):  # as with an app that listens anew now and then, and keeps no connection
        live.set_aside(0.0, Limits())
        assert live.aside_until == pytest.approx(0.1)
        live.aside_until = 0.0
        client = await front.ask()
        await front.target.answer(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        assert (await client.answer()).status == 200


async def test_all_targets_set_aside_for_too_long_is_h34(serving: Serving) -> None:
    async with serving(targets=0, limits=quick(aside_seconds=60, queue_seconds=0.03)) as front:
        front.apply(targets=(await _refusing(),))
        await check(front, await front.ask(), "H34", 503, dyno="")


async def test_another_target_takes_what_one_refused(front: Front) -> None:
    front.apply(targets=(await _refusing(), *front.route.targets))
    for _ in range(3):
        client = await front.ask(method="POST", more="Content-Length: 2\r\nConnection: close\r\n")
        await client.send(b"hi")
        wire = await front.target.accept()
        await wire.head()
        await wire.exactly(b"hi")
        await wire.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        assert (await client.answer()).status == 200


@pytest.mark.parametrize(
    ("head", "cause"),
    [
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 600_000 + b"\r\n\r\n", "head too large"),
        (b"HTTP/1.1 200 " + b"x" * 9000 + b"\r\n\r\n", "status line too large"),
        (b"HTTP/1.1 200 OK\r\nset-cookie: a=" + b"x" * 9000 + b"\r\n\r\n", "cookie too large"),
    ],
)
async def test_an_answer_over_a_limit_is_h25(front: Front, head: bytes, cause: str) -> None:
    client = await front.ask()
    wire = await front.target.accept()
    await wire.head()
    sending = asyncio.ensure_future(wire.send(head))
    await check(front, client, "H25", 502, extra=f' cause="{cause}"')
    await asyncio.gather(sending, return_exceptions=True)


async def test_large_heads_within_the_limits_pass(front: Front) -> None:
    client = await front.ask(more="".join(f"X-{number}: {'x' * 100}\r\n" for number in range(500)))
    more = b"".join(b"X-%d: %b\r\n" % (number, b"x" * 7000) for number in range(60))
    await front.target.answer(b"HTTP/1.1 200 OK\r\n" + more + b"Content-Length: 2\r\n\r\nok")
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert head.count(b"\r\n") == 64


async def test_a_client_that_goes_away_is_h27(front: Front) -> None:
    client = await front.ask()
    wire = await front.target.accept()
    await wire.head()
    client.close()
    assert await wire.ended()  # the app need not go on
    await check_line(front, "H27", 499, extra=" sock=client")


async def test_a_client_that_goes_away_in_the_answer_is_no_error(front: Front) -> None:
    client = await front.ask()
    wire, _ = await front.target.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await client.head()
    client.close()
    assert await wire.ended()
    line = await front.line()
    assert line.startswith("at=info method=GET")
    assert " status=200 bytes=4 " in line


async def test_a_client_that_leaves_the_queue_makes_room(serving: Serving) -> None:
    async with serving(targets=0, state=WebState.BOOTING) as front:
        client = await front.ask()
        await front.request_waits()
        client.close()
        await check_line(front, "H27", 499, dyno="", extra=" sock=client")
        assert not front.proxy.apps["shop-id"].waiting


async def test_a_client_that_falls_silent_in_its_upload_is_h28(serving: Serving) -> None:
    async with serving(idle_seconds=0.03) as front:
        client = await front.ask(method="POST", more="Content-Length: 9\r\n")
        wire = await front.target.accept()
        await wire.head()
        assert await client.ended()
        assert await wire.ended()
        await check_line(front, "H28", 499, extra=" sock=client")


async def test_a_client_that_does_not_read_is_h28(serving: Serving) -> None:
    async with serving(idle_seconds=0.2) as front:
        client = await front.ask()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        wire, _ = await front.target.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        sending = asyncio.ensure_future(wire.send(b"x" * 100_000_000))
        await check_line(front, "H28", 499, extra=" sock=client")
        await asyncio.gather(sending, return_exceptions=True)


async def test_a_target_that_does_not_read_an_upload_is_h15(serving: Serving) -> None:
    upload = b"x" * 20_000_000  # made before: a client that is silent meanwhile is H28
    async with serving(idle_seconds=0.5) as front:
        client = await front.ask(method="POST", more=f"Content-Length: {len(upload)}\r\n")
        wire = await front.target.accept()
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        sending = asyncio.ensure_future(client.send(upload))
        assert (await client.answer()).status == 503
        await check_line(front, "H15", 503, extra=" sock=backend")
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_a_page_replaces_the_answer_only_until_it_began(front: Front) -> None:
    """What was sent cannot be taken back: the client sees a connection that ends, not two answers."""
    client = await front.ask()
    wire, _ = await front.target.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await client.head()
    wire.reset()
    try:
        rest = await client.rest()
    except ConnectionError:
        rest = b""
    assert b"HTTP/1.1" not in rest


def test_the_documented_codes_have_pages_that_say_what_they_mean() -> None:
    for code in CODES.values():
        text = page(code).decode()
        assert text.startswith("<!DOCTYPE html>")
        assert f"<title>{code.title}</title>" in text
        assert f"Code: {code.id}" in text
        assert "http" not in text.replace("</html>", "").lower().replace("unreadable", "")


async def _refusing() -> Target:
    target = ScriptedTarget("web.9")
    await target.listen()
    await target.close()
    return Target(dyno_id="refuses", name="web.9", port=target.target.port)
