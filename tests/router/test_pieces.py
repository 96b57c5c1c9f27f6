"""However TCP cuts the bytes, the result is the same: heads, chunked bodies, and whole conversations."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pushd.router.bodies import BadBody, ChunkedBody, LengthBody, RestBody, chunk
from pushd.router.heads import BadHead, RequestHead, ResponseHead
from pushd.router.limits import Limits
from pushd.router.reader import HeadReader, judge_of_requests, judge_of_responses
from tests.router.conftest import Front, Wire, serving_shop
from tests.router.test_refusals import BAD

REQUEST = b"POST /a?b HTTP/1.1\r\nHost: shop.localhost\r\nConnection: X-Gone\r\nX-Gone: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """The data in pieces, none of them empty."""
    at = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(at)]


places = st.lists(st.integers(0, 100_000), max_size=12)


def read_request(pieces: Sequence[bytes]) -> tuple[RequestHead, bytes]:
    reader = HeadReader(judge_of_requests(Limits()))
    for index, piece in enumerate(pieces):
        head, end = reader.read(piece)
        if head is not None:
            return head, piece[end:] + b"".join(pieces[index + 1 :])
    raise AssertionError("no head")


@given(places)
def test_a_request_head_is_the_same_in_any_pieces(places: list[int]) -> None:
    whole = read_request([REQUEST + b"more"])
    assert read_request(cut(REQUEST + b"more", places)) == whole
    assert whole[1] == b"more"


@given(places)
def test_a_response_head_is_the_same_in_any_pieces(places: list[int]) -> None:
    def read(pieces: Sequence[bytes]) -> ResponseHead:
        reader = HeadReader(judge_of_responses(Limits()))
        heads = [head for piece in pieces if (head := reader.read(piece)[0]) is not None]
        return heads[0]

    assert read(cut(RESPONSE, places)) == read([RESPONSE])


# Too large ones are left out: in pieces they may be refused for another limit.
@pytest.mark.parametrize("raw", [raw for raw in BAD.values() if len(raw) < 1000])
def test_a_bad_head_is_refused_byte_by_byte_too(raw: bytes) -> None:
    with pytest.raises(BadHead):
        read_request([raw[index : index + 1] for index in range(len(raw))])


def test_a_repeated_head_is_read_once_and_means_the_same() -> None:
    judge = judge_of_requests(Limits())
    first, _ = HeadReader(judge).read(REQUEST)
    second, end = HeadReader(judge).read(REQUEST + b"5\r\n")
    assert second is first
    assert end == len(REQUEST)


def test_what_is_remembered_of_heads_is_bounded() -> None:
    judge = judge_of_requests(Limits())
    for number in range(1000):
        HeadReader(judge).read(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
    HeadReader(judge).read(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: %b\r\n\r\n" % (b"x" * 5000))
    assert len(judge.memo) <= 256
    assert max(map(len, judge.memo)) < 2100


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=6), places, st.booleans())
def test_a_chunked_body_is_the_same_in_any_pieces(payloads: list[bytes], places: list[int], trailers: bool) -> None:
    trailer = b"X-Sum: 1\r\n" if trailers else b""
    raw = b"".join(map(chunk, payloads)) + b"0\r\n" + trailer + b"\r\n"
    body, got, rest = ChunkedBody(), b"", b""
    for piece in cut(raw + b"NEXT", places):
        if body.done:
            rest += piece
        else:
            payload, more = body.feed(piece)
            got, rest = got + payload, rest + more
    assert (got, rest, body.trailers, body.done) == (b"".join(payloads), b"NEXT", trailer, True)


@given(st.binary(max_size=200), places)
def test_noise_never_does_more_than_be_refused(noise: bytes, places: list[int]) -> None:
    body = ChunkedBody()
    with contextlib.suppress(BadBody):
        for piece in cut(noise, places):
            if not body.done:
                body.feed(piece)
    reader = HeadReader(judge_of_requests(Limits()))
    with contextlib.suppress(BadHead):
        for piece in cut(noise, places):
            reader.read(piece)


def test_a_body_by_length_gives_back_what_follows() -> None:
    body = LengthBody(5)
    assert body.feed(b"abc") == (b"abc", b"")
    assert not body.done
    assert body.feed(b"deNEXT") == (b"de", b"NEXT")
    assert body.done
    assert LengthBody(0).done
    assert RestBody().feed(b"abc") == (b"abc", b"")


CONVERSATION = (
    b"POST /1 HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 5\r\n\r\nhello"
    b"GET /2 HTTP/1.1\r\nHost: shop.localhost\r\n\r\n"
    b"POST /3 HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;x\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n"
    b"HEAD /4 HTTP/1.1\r\nHost: shop.localhost\r\n\r\n"
    b"GET /5 HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n"
)
ANSWERS = [
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\nX-T: 2\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfive",
]


Heard = tuple[list[bytes], list[tuple[int, bytes]]]


async def converse(front: Front, request_places: list[int], answer_places: list[int]) -> Heard:
    """Hold the whole conversation in these pieces; gives the bodies that the target got and the answers the client got."""
    client = await front.connect()
    sending = asyncio.ensure_future(_send(client, cut(CONVERSATION, request_places)))
    wire = await front.target.accept()
    bodies = []
    for answer in ANSWERS:
        head = await wire.head()
        if b"Content-Length: 5" in head:
            bodies.append(await wire.reader.readexactly(5))
        elif b"chunked" in head:
            bodies.append(await _dechunked(wire))
        await _send(wire, cut(answer, answer_places))
    answers = []
    while len(answers) < 6:
        answer = await client.answer(to_head=len(answers) == 4)
        answers.append((answer.status, answer.body))
    await sending
    assert await client.ended()
    wire.close()
    return bodies, answers


async def _send(wire: Wire, pieces: Sequence[bytes]) -> None:
    for piece in pieces:
        wire.writer.write(piece)
        await asyncio.sleep(0)


async def _dechunked(wire: Wire) -> bytes:
    got = b""
    while size := int(await wire.reader.readuntil(b"\r\n"), 16):
        got += (await wire.reader.readexactly(size + 2))[:-2]
    assert await wire.reader.readuntil(b"\r\n\r\n") == b"X-T: 1\r\n\r\n"
    return got


async def test_a_conversation_is_the_same_in_any_pieces() -> None:
    async with serving_shop() as front:
        expected = ([b"hello", b"abcde"], [(100, b""), (200, b"one"), (200, b"two"), (204, b""), (200, b""), (200, b"five")])
        assert await converse(front, [], []) == expected
        every_byte = list(range(max(len(CONVERSATION), 200)))
        assert await converse(front, every_byte, every_byte) == expected
        loop = asyncio.get_running_loop()

        def run() -> None:
            @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
            @given(places, places)
            def any_pieces(request_places: list[int], answer_places: list[int]) -> None:
                held = asyncio.run_coroutine_threadsafe(converse(front, request_places, answer_places), loop)
                assert held.result(timeout=20) == expected

            any_pieces()

        await loop.run_in_executor(None, run)
