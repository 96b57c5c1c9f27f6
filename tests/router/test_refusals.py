"""Ambiguous or broken requests are answered 400 (H26) and go no further: a target must never see what we read differently."""

from __future__ import annotations

import pytest

from tests.router.conftest import Front, Serving, quick

START = b"GET /path HTTP/1.1\r\nHost: shop.localhost\r\n"
POST = b"POST /path HTTP/1.1\r\nHost: shop.localhost\r\n"

BAD = {
    "length and chunked": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "two equal lengths": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "negative length": POST + b"Content-Length: -3\r\n\r\nabc",
    "hex length": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "endless length": POST + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
    "empty length": POST + b"Content-Length:\r\n\r\nabc",
    "unknown coding": POST + b"Transfer-Encoding: gzip\r\n\r\n",
    "coding before chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, identity": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "disguised chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "vertical tab in coding": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before colon": START + b"X-A : b\r\n\r\n",
    "space before colon of a length": POST + b"Content-Length : 3\r\n\r\nabc",
    "space in a name": START + b"X A: b\r\n\r\n",
    "empty name": START + b": b\r\n\r\n",
    "no colon": START + b"X-A\r\n\r\n",
    "folded line": START + b"X-A: b\r\n c\r\n\r\n",
    "folded line with a tab": START + b"X-A: b\r\n\tc\r\n\r\n",
    "first header folded": b"GET / HTTP/1.1\r\n Host: shop.localhost\r\n\r\n",
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: shop.localhost\r\n\r\n",
    "bare LF after a header": START[:-2] + b"\n\r\n",
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: shop.localhost\n\n",
    "bare CR in a value": START + b"X-A: b\rc\r\n\r\n",
    "bare CR as line end": START + b"X-A: b\rX-B: c\r\n\r\n",
    "NUL in a value": START + b"X-A: b\0\r\n\r\n",
    "NUL in a name": START + b"X\0A: b\r\n\r\n",
    "control character in a value": START + b"X-A: \x01\r\n\r\n",
    "two hosts": START + b"Host: other.localhost\r\n\r\n",
    "two equal hosts": START + b"Host: shop.localhost\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "host with a path": b"GET / HTTP/1.1\r\nHost: shop.localhost/x\r\n\r\n",
    "host with a user": b"GET / HTTP/1.1\r\nHost: a@shop.localhost\r\n\r\n",
    "list of hosts": b"GET / HTTP/1.1\r\nHost: shop.localhost, other\r\n\r\n",
    "host with a bad port": b"GET / HTTP/1.1\r\nHost: shop.localhost:http\r\n\r\n",
    "CONNECT": b"CONNECT shop.localhost:443 HTTP/1.1\r\nHost: shop.localhost\r\n\r\n",
    "relative target": b"GET path HTTP/1.1\r\nHost: shop.localhost\r\n\r\n",
    "unknown scheme": b"GET ftp://shop.localhost/ HTTP/1.1\r\nHost: shop.localhost\r\n\r\n",
    "URL with a user": b"GET http://a@shop.localhost/ HTTP/1.1\r\nHost: shop.localhost\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: shop.localhost\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n",
    "trailing space": b"GET / HTTP/1.1 \r\nHost: shop.localhost\r\n\r\n",
    "tab for a space": b"GET\t/\tHTTP/1.1\r\nHost: shop.localhost\r\n\r\n",
    "no version": b"GET /\r\nHost: shop.localhost\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: shop.localhost\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "lower-case version": b"GET / http/1.1\r\nHost: shop.localhost\r\n\r\n",
    "no such method": b"BREW / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n",
    "lower-case method": b"get / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "noise": b"\x00\xff\xfe",
    "long request line": b"GET /" + b"x" * 8200 + b" HTTP/1.1\r\nHost: shop.localhost\r\n\r\n",
    "long header": START + b"X-A: " + b"b" * 8200 + b"\r\n\r\n",
    "too many headers": START + b"X: y\r\n" * 1001 + b"\r\n",
    "head without end": START + b"X-A: " + b"b" * 300_000,
}


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD.keys())
async def test_a_bad_head_is_refused(front: Front, raw: bytes) -> None:
    client = await front.connect()
    client.writer.write(raw)
    answer = await client.answer()
    assert answer.status == 400
    assert b"H26" in answer.body
    assert answer.headers["connection"] == "close"
    assert await client.rest() == b""
    assert front.target.accepted == 0


@pytest.mark.parametrize("name", ["two lengths", "folded line", "NUL in a value", "CONNECT"])
async def test_the_log_says_why(front: Front, name: str) -> None:
    client = await front.connect()
    await client.send(BAD[name])
    await client.answer()
    line = await front.line()
    assert line.startswith('at=error code=H26 desc="Request Error" cause="')
    assert " host=shop.localhost request_id= " in line
    assert line.endswith(" status=400 bytes= protocol=http")


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b" 1\r\n",
        b"1 1\r\n",
        b"\r\n",
        b"1\n",
        b"1\r\nab\r\n",
        b"1\r\na\n",
        b"1\r\na\r\r",
        b"1;a\0b\r\n",
        b"11111111111111111\r\n",
        b"1;" + b"x" * 9000,
        b"0\r\nno colon\r\n\r\n",
        b"0\r\nA : b\r\n\r\n",
        b"0\r\n\n",
        b"0\r\n" + b"X: " + b"y" * 8000 + b"\r\n" + (b"X: " + b"y" * 8000 + b"\r\n") * 4,
    ],
)
async def test_a_bad_chunked_body_is_refused(front: Front, body: bytes) -> None:
    client = await front.connect()
    await client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    wire = await front.target.accept()
    await wire.head()
    await client.send(body)
    answer = await client.answer()
    assert answer.status == 400
    assert await client.rest() == b""
    assert not (await wire.rest()).endswith(b"0\r\n\r\n")  # the target must not take it for complete
    line = await front.line()
    assert line.startswith('at=error code=H26 desc="Request Error" cause="')
    assert " dyno=web.1 " in line


async def test_an_unknown_expectation_is_417(front: Front) -> None:
    client = await front.ask(more="Expect: the-spanish-inquisition\r\n")
    answer = await client.answer()
    assert (answer.status, b"H26" in answer.body) == (417, True)
    assert " status=417 " in await front.line()


async def test_a_head_that_never_ends_is_408(serving: Serving) -> None:
    async with serving(limits=quick(head_seconds=0.03)) as front:
        client = await front.connect()
        await client.send(START)
        assert (await client.answer()).status == 408
        assert await client.ended()


async def test_nothing_after_a_refused_request_is_served(front: Front) -> None:
    client = await front.connect()
    await client.send(BAD["space before colon"] + START + b"\r\n")
    assert (await client.answer()).status == 400
    assert await client.rest() == b""
    assert front.target.accepted == 0


async def test_a_line_cannot_be_forged_by_a_client(front: Front) -> None:
    client = await front.ask('/"x=y\\', more='X-Forwarded-For: 1" dyno=web.9 a="\r\n')
    await front.target.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    await client.answer()
    line = await front.line()
    assert ' path="/\\"x=y\\\\" ' in line
    assert ' fwd="1\\" dyno=web.9 a=\\", 127.0.0.1" dyno=web.1 ' in line


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n" + START + b"\r\n",
        START + b"X-Empty:\r\nX-Space:   b  \r\nX-Bytes: \xff\xfe\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: SHOP.localhost.:80\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: shop.localhost\r\n\r\n",
        b"PROPFIND / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n",
        b"GET /?q=%00&x=[1]{2}|\\^` HTTP/1.1\r\nHost: shop.localhost\r\n\r\n",
        b"GET http://shop.localhost HTTP/1.1\r\nHost: shop.localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: shop.localhost\r\ntransfer-encoding: Chunked\r\n\r\n0\r\n\r\n",
        START + b"X: y\r\n" * 990 + b"\r\n",
    ],
)
async def test_odd_but_valid_requests_pass(front: Front, raw: bytes) -> None:
    client = await front.connect()
    await client.send(raw)
    await front.target.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert (await client.answer()).status == 200
