"""The heads we write: to the target with what it must know of the client, to the client with what ends our hop."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass

from pushd.router.bodies import Body, LengthBody
from pushd.router.heads import RequestHead, ResponseHead

_LENGTH_LINE = re.compile(rb"(?i)content-length:[^\r]*\r\n")


@dataclass(frozen=True, slots=True)
class Framing:
    """How an answer goes to the client. `chunked`: we put chunks around it; `keep_alive`: its end does not end the connection."""

    chunked: bool
    keep_alive: bool


def new_request_id() -> bytes:
    """A random UUID (version 4); `uuid` itself would be the router's largest import."""
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}".encode()


def forwarded_for(head: RequestHead, peer: bytes) -> bytes:
    """The client's X-Forwarded-For with the address we see appended; a Unix socket has none to append."""
    return b"%b, %b" % (head.forwarded_for, peer) if head.forwarded_for and peer else head.forwarded_for or peer


def request_bytes(head: RequestHead, *, request_id: bytes, forwarded_for: bytes, port: bytes) -> bytes:
    """The request as the target gets it: HTTP/1.1, our own hop's headers, the forwarded ones."""
    hop = b""
    if head.chunked:
        hop = b"Transfer-Encoding: chunked\r\n"
    elif head.upgrade:
        hop = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % head.upgrade
    if forwarded_for:
        hop += b"X-Forwarded-For: %b\r\n" % forwarded_for
    return (
        b"%b %b HTTP/1.1\r\n%b%bX-Forwarded-Proto: http\r\nX-Forwarded-Port: %b\r\n"
        b"X-Request-Id: %b\r\nX-Request-Start: %d\r\nVia: 1.%d pushd\r\n\r\n"
        % (head.method, head.target, head.lines, hop, port, request_id, time.time() * 1000, head.minor)
    )


def plan_framing(request: RequestHead, answer: ResponseHead, body: Body, *, stopping: bool) -> Framing:
    """Decide how an answer goes on. Source: RFC 9112 sections 6.1 and 9.3."""
    without_length = not isinstance(body, LengthBody)  # chunked, or as long as the target's connection lasts
    chunked = without_length and request.minor == 1
    return Framing(chunked, request.keep_alive and not stopping and (chunked or not without_length))


def answer_bytes(request: RequestHead, answer: ResponseHead, framing: Framing) -> bytes:
    """The answer's head as the client gets it."""
    lines = answer.lines
    if framing.chunked or (answer.chunked and request.method == b"HEAD" and request.minor == 1):
        lines += b"Transfer-Encoding: chunked\r\n"
    if answer.status == 204 and answer.length is not None:  # RFC 9110 section 8.6
        lines = _LENGTH_LINE.sub(b"", lines)
    if not framing.keep_alive:
        lines += b"Connection: close\r\n"
    elif request.minor == 0:
        lines += b"Connection: keep-alive\r\n"
    return b"HTTP/1.1 %b\r\n%bVia: 1.1 pushd\r\n\r\n" % (answer.status_text, lines)


def interim_bytes(answer: ResponseHead) -> bytes:
    """A 1xx answer as the client gets it, a 101 with the protocol that it switches to."""
    hop = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % answer.upgrade if answer.status == 101 else b""
    return b"HTTP/1.1 %b\r\n%b%b\r\n" % (answer.status_text, answer.lines, hop)
