"""Requests and answers on their way: heads rewritten, bodies as they come, connections kept."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from tests.router.conftest import Front, Serving, quick

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_a_request_reaches_the_target_with_forwarded_headers(front: Front) -> None:
    client = await front.ask("/a?b=c", more="Accept: */*\r\nX-Forwarded-For: 10.1.2.3\r\nX-Forwarded-Proto: gopher\r\n")
    _, head = await front.target.answer(OK)
    lines = head.decode().split("\r\n")
    assert lines[:3] == ["GET /a?b=c HTTP/1.1", "Host: shop.localhost", "Accept: */*"]
    sent = dict(line.split(": ", 1) for line in lines[1:-2])
    assert sent["X-Forwarded-For"] == "10.1.2.3, 127.0.0.1"
    assert sent["X-Forwarded-Proto"] == "http"
    assert sent["X-Forwarded-Port"] == str(front.address[1])
    assert sent["Via"] == "1.1 pushd"
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", sent["X-Request-Id"])
    assert re.fullmatch(r"\d{13}", sent["X-Request-Start"])
    answer = await client.answer()
    assert (answer.status, answer.body, answer.headers["via"]) == (200, b"ok", "1.1 pushd")
    line = await front.line()
    assert re.fullmatch(
        r'at=info method=GET path="/a\?b=c" host=shop\.localhost request_id=' + sent["X-Request-Id"]
        + r' fwd="10\.1\.2\.3, 127\.0\.0\.1" dyno=web\.1 connect=\d+ms service=\d+ms status=200 bytes=2 protocol=http',
        line,
    )  # fmt: skip


@pytest.mark.parametrize(("given", "kept"), [("a" * 20, True), ("A+/=-" * 40, True), ("a" * 19, False), ("a b" * 10, False)])
async def test_a_request_id_of_the_client_is_kept_if_it_is_one(front: Front, given: str, kept: bool) -> None:
    await front.ask(more=f"X-Request-Id: {given}\r\n")
    _, head = await front.target.answer(OK)
    assert (f"X-Request-Id: {given}\r\n".encode() in head) is kept
    assert head.count(b"X-Request-Id: ") == 1


async def test_headers_of_this_hop_go_no_further(front: Front) -> None:
    await front.ask(
        more="Connection: keep-alive, X-Secret\r\nKeep-Alive: 5\r\nX-Secret: 1\r\nTE: trailers\r\nProxy: evil\r\n"
        "Proxy-Connection: close\r\nHTTP2-Settings: AAA\r\nUpgrade: h2c\r\nX_Forwarded_For: 6.6.6.6\r\nContent_Length: 5\r\n"
        "Cookie: a=b\r\n"
    )
    _, head = await front.target.answer(
        b"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-End: 2\r\nContent-Length: 0\r\n\r\n"
    )
    names = [line.split(b":")[0] for line in head.split(b"\r\n")[1:-2]]
    assert names == [b"Host", b"Cookie", b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Port", b"X-Request-Id",
                     b"X-Request-Start", b"Via"]  # fmt: skip
    answer = await front.wires[0].answer()
    assert answer.headers == {"x-end": "2", "content-length": "0", "via": "1.1 pushd"}


async def test_connection_cannot_take_away_host_or_framing(front: Front) -> None:
    client = await front.ask(method="POST", more="Connection: Host, Content-Length\r\nContent-Length: 2\r\n")
    await client.send(b"hi")
    wire = await front.target.accept()
    head = await wire.head()
    assert b"Host: shop.localhost\r\n" in head
    assert b"Content-Length: 2\r\n" in head


async def test_a_connection_header_that_names_thousands_costs_nobody_time(front: Front) -> None:
    """One loop serves all visitors: with a pattern of as many alternatives this took most of a second."""
    names = ",".join(f"{number:x}" for number in range(1400))
    more = f"Connection: {names}\r\n" * 25 + "".join(f"Z{number}: y\r\n" for number in range(900)) + "57: gone\r\n"
    began = time.process_time()
    await front.ask(more=more)
    _, head = await front.target.answer(OK)
    assert time.process_time() - began < 0.3
    assert b"\r\nZ899: y\r\nX-Forwarded-For: " in head


async def test_an_absolute_url_stands_above_host(front: Front) -> None:
    client = await front.connect()
    await client.send(b"GET http://shop.localhost/x?y HTTP/1.1\r\nHost: other.localhost\r\n\r\n")
    _, head = await front.target.answer(OK)
    assert head.startswith(b"GET /x?y HTTP/1.1\r\nHost: shop.localhost\r\n")


async def test_an_upload_streams_in_order(front: Front) -> None:
    client = await front.ask(method="POST", more="Content-Length: 10\r\n")
    wire = await front.target.accept()
    await wire.head()
    await client.send(b"first")
    await wire.exactly(b"first")  # before the second half exists
    await client.send(b"secnd")
    await wire.exactly(b"secnd")
    await wire.send(OK)
    assert (await client.answer()).status == 200


async def test_a_chunked_upload_streams_with_trailers(front: Front) -> None:
    client = await front.ask(method="POST", more="Transfer-Encoding: chunked\r\n")
    wire = await front.target.accept()
    assert b"Transfer-Encoding: chunked\r\n" in await wire.head()
    await client.send(b"5;ext=1\r\nfirst\r\n")
    await wire.exactly(b"5\r\nfirst\r\n")
    await client.send(b"0\r\nX-Sum: 1\r\nContent-Length: 3\r\n\r\n")
    await wire.exactly(b"0\r\nX-Sum: 1\r\n\r\n")


@pytest.mark.parametrize("framing", [b"Content-Length: 10\r\n", b"Transfer-Encoding: chunked\r\n", b""])
async def test_an_answer_streams_byte_by_byte(front: Front, framing: bytes) -> None:
    client = await front.ask()
    wire, _ = await front.target.answer(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n")
    await client.head()
    for number in range(10):
        byte = b"%d" % number
        await wire.send(b"1\r\n" + byte + b"\r\n" if b"chunked" in framing else byte)
        await client.exactly(byte if b"Length" in framing else b"1\r\n" + byte + b"\r\n")
    if b"chunked" in framing:
        await wire.send(b"0\r\nX-Sum: 45\r\n\r\n")
        await client.exactly(b"0\r\nX-Sum: 45\r\n\r\n")
    elif not framing:
        wire.close()
        await client.exactly(b"0\r\n\r\n")
    assert "status=200 bytes=10 " in await front.line()


async def test_connections_are_kept_on_both_sides(front: Front) -> None:
    client = await front.ask()
    wire, _ = await front.target.answer(OK)
    await client.answer()
    for _ in range(3):
        await client.send(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")
        await wire.head()
        await wire.send(OK)
        assert (await client.answer()).body == b"ok"
    assert front.target.accepted == 1


async def test_pipelined_requests_are_answered_in_order(front: Front) -> None:
    client = await front.connect()
    await client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: shop.localhost\r\n\r\n" % number for number in range(5)))
    wire = await front.target.accept()
    for number in range(5):
        assert (await wire.head()).startswith(b"GET /%d " % number)
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)
        assert (await client.answer()).body == b"%d" % number


async def test_a_pipelined_flood_of_pages_is_answered_in_order(front: Front) -> None:
    front.apply(maintenance=True)
    client = await front.connect()
    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: shop.localhost\r\n\r\n" % number for number in range(500))
    sending = asyncio.ensure_future(client.send(requests))
    for _ in range(500):
        assert (await client.answer()).status == 503
    await sending
    assert 'path="/0"' in await front.line()


async def test_head_has_no_body_whatever_its_headers_say(front: Front) -> None:
    client = await front.ask(method="HEAD")
    wire, _ = await front.target.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
    assert (await client.answer(to_head=True)).headers["content-length"] == "99"
    await client.send(b"HEAD / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")
    await wire.head()
    await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert (await client.answer(to_head=True)).headers["transfer-encoding"] == "chunked"
    await client.send(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")
    await wire.head()
    assert front.target.accepted == 1


async def test_a_body_that_must_not_be_there_is_not_the_next_answer(serving: Serving) -> None:
    async with serving(requests_per_target=1) as front:
        client, waiting = await front.ask(method="HEAD"), await front.connect()
        wire = await front.target.accept()
        await wire.head()
        await waiting.send(b"GET /next HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")
        await front.request_waits()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        assert (await client.answer(to_head=True)).status == 200
        await front.target.answer(OK)  # on a fresh connection
        assert (await waiting.answer()).body == b"ok"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_204_and_304_have_no_body(front: Front, status: bytes) -> None:
    client = await front.ask()
    wire, _ = await front.target.answer(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\n")
    answer = await client.answer()
    assert ("content-length" in answer.headers) is (status[:3] == b"304")
    await client.send(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")
    await wire.head()  # on the same connection


async def test_interim_answers_pass_and_100_continue_lets_the_upload_begin(front: Front) -> None:
    client = await front.ask(method="POST", more="Content-Length: 2\r\nExpect: 100-continue\r\n")
    wire = await front.target.accept()
    assert b"Expect: 100-continue\r\n" in await wire.head()
    await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    await client.exactly(b"HTTP/1.1 100 Continue\r\n\r\n")
    await client.send(b"hi")
    await wire.exactly(b"hi")
    await wire.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + OK)
    await client.exactly(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
    assert (await client.answer()).body == b"ok"


async def test_an_early_answer_ends_the_upload_and_the_client_sees_it(front: Front) -> None:
    client = await front.ask(method="POST", more="Content-Length: 1000000\r\n")
    wire = await front.target.accept()
    await wire.head()
    await wire.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
    assert (await client.answer()).status == 413
    await client.send(b"x" * 100_000)  # we read on, so that no reset wipes out the answer
    assert await client.ended()
    assert await wire.ended()


async def test_http_1_0_clients_get_no_chunks_and_a_close(front: Front) -> None:
    client = await front.connect()
    await client.send(b"GET / HTTP/1.0\r\nHost: shop.localhost\r\n\r\n")
    _, head = await front.target.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert head.startswith(b"GET / HTTP/1.1\r\n")
    assert b"Via: 1.0 pushd\r\n" in head
    answer = await client.answer()
    assert answer.body == b"abc"
    assert answer.headers["connection"] == "close"
    assert await client.ended()


async def test_http_1_0_keep_alive(front: Front) -> None:
    client = await front.connect()
    request = b"GET / HTTP/1.0\r\nHost: shop.localhost\r\nConnection: keep-alive\r\n\r\n"
    await client.send(request)
    wire, _ = await front.target.answer(OK)
    assert (await client.answer()).headers["connection"] == "keep-alive"
    await client.send(request)
    await wire.head()


async def test_http_1_0_targets_end_with_the_connection(front: Front) -> None:
    client = await front.ask()
    wire, _ = await front.target.answer(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold ")
    await wire.send(b"app")
    wire.close()
    answer = await client.answer()
    assert (answer.body, answer.headers["transfer-encoding"]) == (b"old app", "chunked")
    await client.send(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")  # the client's connection goes on
    await front.target.answer(b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n1")
    assert (await client.answer()).body == b"1"


async def test_connection_close_is_honoured_on_both_sides(front: Front) -> None:
    client = await front.ask(more="Connection: close\r\n")
    wire, _ = await front.target.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    answer = await client.answer()
    assert answer.headers["connection"] == "close"
    assert await client.ended()
    assert await wire.ended()


async def test_what_a_target_sends_unasked_ends_its_connection(front: Front) -> None:
    client = await front.ask()
    await front.target.answer(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    assert (await client.answer()).body == b"ok"
    await client.send(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")
    await front.target.answer(OK)
    assert (await client.answer()).body == b"ok"
    assert front.target.accepted == 2


async def test_a_kept_connection_that_was_closed_is_replaced_for_a_get(front: Front) -> None:
    client = await front.ask()
    wire, _ = await front.target.answer(OK)
    await client.answer()
    await client.send(b"GET /again HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")
    await wire.head()
    wire.close()  # as an app does whose keep-alive time was over
    _, head = await front.target.answer(OK)
    assert head.startswith(b"GET /again ")
    assert (await client.answer()).body == b"ok"


async def test_a_request_that_ends_its_dyno_is_not_sent_to_the_next_one(front: Front) -> None:
    first = await front.ask()
    wire, _ = await front.target.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    await first.answer()
    deadly = await front.ask("/deadly")
    assert b"GET /deadly" in await wire.head()
    front.target.server.close()
    wire.reset()

    assert (await deadly.answer()).status == 503

    while "H13" not in (line := await front.line()):
        pass
    assert 'path="/deadly"' in line


async def test_a_post_takes_no_connection_that_was_idle_for_long(serving: Serving) -> None:
    async with serving(limits=quick(fresh_seconds=-1)) as front:
        client = await front.ask()
        await front.target.answer(OK)
        await client.answer()
        await client.send(b"POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 2\r\n\r\nhi")
        await front.target.answer(OK)
        assert (await client.answer()).status == 200
        assert front.target.accepted == 2


async def test_a_post_is_never_sent_twice(front: Front) -> None:
    client = await front.ask()
    wire, _ = await front.target.answer(OK)
    await client.answer()
    await client.send(b"POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 2\r\n\r\nhi")
    await wire.head()
    wire.close()
    answer = await client.answer()
    assert (answer.status, b"H13" in answer.body) == (503, True)
    assert front.target.accepted == 1


async def test_idle_connections_to_a_target_are_closed(serving: Serving) -> None:
    async with serving(limits=quick(pool_seconds=0.02)) as front:
        client = await front.ask()
        wire, _ = await front.target.answer(OK)
        await client.answer()
        assert await wire.ended()


async def test_idle_clients_are_closed(serving: Serving) -> None:
    async with serving(limits=quick(keepalive_seconds=0.02)) as front:
        client = await front.connect()
        assert await client.ended()
