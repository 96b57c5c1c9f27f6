"""Heads of requests and responses: found in the stream, judged by llhttp, cut into what the next side may see.

llhttp says whether a head is well formed; after that every line is `name:value CRLF` for certain, and one pattern finds
the few lines that mean something to a proxy. All others pass as they are, never becoming objects of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

import httptools

from pushd.router.limits import Limits
from pushd.router.table import parse_host

_END = b"\r\n\r\n"
_REQUEST_LINE = re.compile(rb"([A-Z-]+) ([!-~]+) HTTP/1\.([01])\r\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9]) ([^\r\n]*)\r\n")
_ABSOLUTE = re.compile(rb"(?i)https?://([^/?#]*)(.*)")

# Lines that we read, rewrite or drop. An underscore is the same letter to WSGI and CGI, so those forms never pass.
_REQUEST_SPECIAL = re.compile(
    rb"(?i)\r\n(host|connection|content[-_]length|transfer[-_]encoding|expect|upgrade|keep-alive|te|proxy|proxy-connection"
    rb"|http2-settings|x[-_]forwarded[-_](?:for|proto|port)|x[-_]request[-_](?:id|start)):([^\r]*)"
)
_RESPONSE_SPECIAL = re.compile(
    rb"(?i)\r\n(connection|content-length|transfer-encoding|upgrade|keep-alive|proxy-connection|te):([^\r]*)"
)
# What a Connection header may not take away: the framing and the address of the message.
_FRAMING = frozenset((b"host", b"content-length", b"transfer-encoding", b"upgrade"))
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9+/=-]{20,200}")


class BadHead(ValueError):
    """A head that goes no further. `code` and `status` as in `codes`; str() is the cause for the log line."""

    def __init__(self, cause: str, *, code: str, status: int) -> None:
        super().__init__(cause)
        self.code, self.status = code, status


def _bad_request(cause: str, status: int = 400) -> BadHead:
    return BadHead(cause, code="H26", status=status)


def _bad_response(cause: str) -> BadHead:
    return BadHead(cause, code="H17", status=503)


def _too_large(cause: str) -> BadHead:
    return BadHead(cause, code="H25", status=502)


@dataclass(slots=True)
class RequestHead:
    """One request, checked. `lines` are the header lines that pass on, each with CRLF."""

    method: bytes
    target: bytes  # origin form, or "*"
    minor: int  # HTTP/1.minor
    host: str  # as `parse_host` gives it
    shown_host: bytes  # as the client wrote it
    lines: bytes
    keep_alive: bool
    length: int = 0  # of the body; 0 also when chunked
    chunked: bool = False
    upgrade: bytes = b""  # the protocol asked for, b"" for none
    forwarded_for: bytes = b""  # the client's own X-Forwarded-For
    request_id: bytes = b""  # the client's own, if it may be kept

    @property
    def has_body(self) -> bool:
        return self.chunked or self.length > 0


@dataclass(slots=True)
class ResponseHead:
    """One response, checked. `lines` are the header lines that pass on, each with CRLF."""

    status: int
    status_text: bytes  # "200 OK"
    lines: bytes
    keep_alive: bool
    length: int | None = None  # None: no Content-Length
    chunked: bool = False
    upgrade: bytes = b""


class _Parser(Protocol):
    def feed_data(self, data: bytes) -> None: ...


class HeadReader:
    """Takes bytes as they come and gives back each head when it is whole; bytes are judged when they arrive, not at the end."""

    __slots__ = ("_limit_bytes", "_make", "_parser", "_refuse", "held")

    def __init__(self, limits: Limits, *, of_requests: bool) -> None:
        self._make = httptools.HttpRequestParser if of_requests else httptools.HttpResponseParser
        self._refuse = _bad_request if of_requests else _bad_response
        self._limit_bytes = limits.request_head_bytes if of_requests else limits.response_head_bytes
        self._parser: _Parser | None = None
        self.held = b""  # the beginning of a head

    def read(self, data: bytes) -> tuple[bytes, bytes]:
        """A whole head with its blank line, and what follows; b"" for the head while it is not complete. Raises: BadHead."""
        held = self.held
        if held:
            data = held + data
        if self._parser is None:
            while data.startswith(b"\r\n"):  # RFC 9112 section 2.2: empty lines before a message are ignored
                data = data[2:]
            if data in (b"", b"\r"):
                self.held = data
                return b"", b""
            self._parser, held = self._make(None), b""
        end = data.find(_END, max(0, len(held) - 3)) + 4
        self.held = data if end < 4 else data[:end]
        try:
            self._parser.feed_data(data[len(held) : end] if end >= 4 else data[len(held) :])
        except httptools.HttpParserUpgrade:
            pass  # llhttp stops at what it takes for an upgrade; whether it is one is decided below
        except httptools.HttpParserError as error:
            if end < 4 or not self._is_switch(data):
                raise self._refuse(str(error)) from None
        if len(self.held) > self._limit_bytes:
            raise _bad_request("head too large") if self._make is httptools.HttpRequestParser else _too_large("head too large")
        if end < 4:
            return b"", b""
        self._parser, head, self.held = None, self.held, b""
        return head, data[end:]

    def _is_switch(self, data: bytes) -> bool:
        """llhttp stops at a 101 without upgrade headers with an error of its own; `parse_response` judges it."""
        return self._make is httptools.HttpResponseParser and data[9:13] == b"101 "


def parse_request(raw: bytes, limits: Limits) -> RequestHead:
    """Read a head that llhttp found well formed. Raises: BadHead (H26) for what it lets through and we do not."""
    line = _REQUEST_LINE.match(raw)
    if line is None:
        raise _bad_request("request line")
    _check_sizes(raw, limits, limits.request_line_bytes)
    method, target, minor = line[1], line[2], int(line[3])
    if method == b"CONNECT":
        raise _bad_request("CONNECT is not allowed")

    hosts: list[bytes] = []
    named: list[bytes] = []  # what Connection headers name
    encodings: list[bytes] = []
    forwarded: list[bytes] = []
    head = RequestHead(method, target, minor, "", b"", b"", minor == 1)
    kept: list[bytes] = []
    position = line.end()
    for found in _REQUEST_SPECIAL.finditer(raw, line.end() - 2):
        name, value = found[1].lower(), found[2].strip(b" \t")
        keep = False
        if name == b"host":
            hosts.append(value)
        elif name == b"connection":
            named += _TOKEN.findall(value.lower())
        elif name == b"content-length":
            head.length, keep = int(value), True
        elif name == b"transfer-encoding":
            encodings.append(value.lower())
        elif name == b"expect":
            keep = _check_expect(value, minor)
        elif name == b"upgrade":
            head.upgrade = value
        elif name == b"x-forwarded-for":
            forwarded.append(value)
        elif name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            head.request_id = value
        if not keep:
            kept.append(raw[position : found.start() + 2])
            position = found.end() + 2
    kept.append(raw[position:-2])
    head.lines = b"".join(kept)

    if encodings:
        if encodings != [b"chunked"] or minor == 0:
            raise _bad_request("Transfer-Encoding")
        head.chunked = True
    head.forwarded_for = b", ".join(filter(None, forwarded))
    _apply_connection(head, named)
    _find_host(head, hosts)
    return head


def parse_response(raw: bytes, limits: Limits) -> ResponseHead:
    """Read a head that llhttp found well formed. Raises: BadHead (H17, H25)."""
    line = _STATUS_LINE.match(raw)
    if line is None:
        raise _bad_response("status line")
    if line.end() > limits.status_line_bytes:
        raise _too_large("status line too large")
    if len(raw) > limits.cookie_bytes:
        if any(len(text) > limits.cookie_bytes and text[:11].lower() == b"set-cookie:" for text in raw.split(b"\r\n")):
            raise _too_large("cookie too large")
    minor, status = int(line[1]), int(line[2])
    head = ResponseHead(status, line[2] + b" " + line[3], b"", minor == 1)
    named: list[bytes] = []
    kept: list[bytes] = []
    position = line.end()
    for found in _RESPONSE_SPECIAL.finditer(raw, line.end() - 2):
        name, value = found[1].lower(), found[2].strip(b" \t")
        if name == b"content-length":
            head.length = int(value)
            continue
        if name == b"connection":
            named += _TOKEN.findall(value.lower())
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked" or head.chunked or minor == 0:
                raise _bad_response("Transfer-Encoding")
            head.chunked = True
        elif name == b"upgrade":
            head.upgrade = value
        kept.append(raw[position : found.start() + 2])
        position = found.end() + 2
    kept.append(raw[position:-2])
    head.lines = b"".join(kept)
    if b"close" in named:
        head.keep_alive = False
    elif minor == 0:
        head.keep_alive = b"keep-alive" in named
    head.lines = _without(head.lines, named)
    return head


def _check_sizes(raw: bytes, limits: Limits, first_line_bytes: int) -> None:
    if raw.count(b"\r\n") - 2 > limits.headers:
        raise _bad_request("too many headers")
    if len(raw) <= min(first_line_bytes, limits.header_line_bytes):
        return
    first, *others = raw.split(b"\r\n")
    if len(first) > first_line_bytes:
        raise _bad_request("request line too long")
    if any(len(line) > limits.header_line_bytes for line in others):
        raise _bad_request("header too long")


def _check_expect(value: bytes, minor: int) -> bool:
    """Whether the line passes on; RFC 9110 section 10.1.1 lets an HTTP/1.0 client's be ignored."""
    if minor == 0:
        return False
    if value.lower() != b"100-continue":
        raise _bad_request("Expect", status=417)
    return True


def _apply_connection(head: RequestHead, named: list[bytes]) -> None:
    if b"close" in named:
        head.keep_alive = False
    elif head.minor == 0:
        head.keep_alive = b"keep-alive" in named
    # An upgrade to HTTP/2 would let requests pass that nobody checks; a body would have to be sent before the switch.
    if head.minor == 0 or b"upgrade" not in named or head.has_body or b"h2c" in head.upgrade.lower():
        head.upgrade = b""
    head.lines = _without(head.lines, named)


def _without(lines: bytes, named: list[bytes]) -> bytes:
    """The lines without those that Connection headers named (RFC 9110 section 7.6.1)."""
    names = [name for name in named if name not in (b"close", b"keep-alive") and name not in _FRAMING]
    if not names:
        return lines
    return re.sub(rb"(?im)^(?:%b):[^\r]*\r\n" % b"|".join(map(re.escape, names)), b"", lines)


def _find_host(head: RequestHead, hosts: list[bytes]) -> None:
    """RFC 9112 section 3.2: exactly one Host from an HTTP/1.1 client; the URL's own stands above it."""
    if len(hosts) > 1:
        raise _bad_request("several Host headers")
    if not hosts and head.minor == 1:
        raise _bad_request("no Host header")
    authority = hosts[0] if hosts else b""
    if not head.target.startswith(b"/") and head.target != b"*":
        absolute = _ABSOLUTE.fullmatch(head.target)
        if absolute is None or not absolute[1]:
            raise _bad_request("request target")
        authority, path = absolute[1], absolute[2]
        head.target = path if path.startswith(b"/") else b"/" + path
    host = parse_host(authority)
    if host is None:
        raise _bad_request("Host")
    head.host, head.shown_host = host, authority
    if authority or hosts:
        head.lines = b"Host: %b\r\n%b" % (authority, head.lines)
