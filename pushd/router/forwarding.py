"""The heads we write: to the target with what it must know of the client, to the client with what ends our hop."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from pushd.router.bodies import Body, LengthBody
from pushd.router.heads import RequestHead, ResponseHead


@dataclass(frozen=True, slots=True)
class Framing:
    """How an answer goes to the client. `chunked`: we put chunks around it; `keep_alive`: more may follow it."""

    chunked: bool
    keep_alive: bool


_FRAMINGS = {(chunked, keep): Framing(chunked, keep) for chunked in (False, True) for keep in (False, True)}


def new_request_id() -> str:
    """A random UUID (version 4); `uuid` itself would be the router's largest import."""
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def forwarded_for(head: RequestHead, peer: bytes) -> bytes:
    """The client's X-Forwarded-For with the address we see appended; a Unix socket has none to append."""
    return b"%b, %b" % (head.forwarded_for, peer) if head.forwarded_for and peer else head.forwarded_for or peer


def request_bytes(head: RequestHead, *, request_id: str, forwarded_for: bytes, port: bytes) -> bytes:
    """The request's head as the target gets it: what passes on, and what we know of its way."""
    return b"%bX-Forwarded-For: %b\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: %b\r\n" % (
        head.onward, forwarded_for, port
    ) + b"X-Request-Id: %b\r\nX-Request-Start: %d\r\nVia: 1.%d pushd\r\n\r\n" % (
        request_id.encode(), time.time() * 1000, head.minor
    )  # fmt: skip


def plan_framing(request: RequestHead, body: Body, *, stopping: bool) -> Framing:
    """Decide how an answer with this body goes on. Source: RFC 9112 sections 6.1 and 9.3."""
    counted = isinstance(body, LengthBody)  # else chunked, or as long as the target's connection lasts
    chunked = not counted and request.minor == 1
    return _FRAMINGS[chunked, request.keep_alive and not stopping and (counted or chunked)]


def answer_bytes(request: RequestHead, answer: ResponseHead, framing: Framing) -> bytes:
    """The answer's head as the client gets it."""
    hop = b""
    if framing.chunked or (answer.chunked and request.method == b"HEAD" and request.minor == 1):
        hop = b"Transfer-Encoding: chunked\r\n"
    if not framing.keep_alive:
        hop += b"Connection: close\r\n"
    elif request.minor == 0:
        hop += b"Connection: keep-alive\r\n"
    return b"%bVia: 1.1 pushd\r\n%b\r\n" % (answer.onward, hop)


def interim_bytes(answer: ResponseHead) -> bytes:
    """A 1xx answer as the client gets it, a 101 with the protocol that it switches to."""
    hop = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % answer.upgrade if answer.status == 101 else b""
    return b"%b%b\r\n" % (answer.onward, hop)
