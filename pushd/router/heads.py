"""Heads of requests and responses, cut into what we must know and what the next side may see. Pure.

llhttp has found each head well formed before it comes here (`reader.py`), so every line is `name:value CRLF` for certain;
one pattern finds the few lines that mean something to a proxy, and all others pass as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pushd.router.limits import Limits
from pushd.router.table import parse_host

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
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9+/=-]{20,200}")


class BadHead(ValueError):
    """A head that goes no further. `code` and `status` as in `codes`; str() is the cause for the log line."""

    def __init__(self, cause: str, *, code: str, status: int) -> None:
        super().__init__(cause)
        self.code, self.status = code, status


def bad_request(cause: str, status: int = 400) -> BadHead:
    """What a client may not send: H26."""
    return BadHead(cause, code="H26", status=status)


def bad_response(cause: str) -> BadHead:
    """What no target may answer: H17."""
    return BadHead(cause, code="H17", status=503)


def too_large(cause: str) -> BadHead:
    """An answer whose head is over a limit: H25."""
    return BadHead(cause, code="H25", status=502)


@dataclass(frozen=True, slots=True)
class RequestHead:
    """One request, checked. Equal heads may be one object: nothing in it changes."""

    method: bytes
    target: bytes  # origin form, or "*"
    minor: int  # HTTP/1.minor
    host: str  # as `parse_host` gives it
    shown: str  # method, path and host as the log line has them
    onward: bytes  # what passes on of it: request line and headers, each with CRLF, ours not yet among them
    keep_alive: bool
    length: int  # of the body; 0 also when chunked
    chunked: bool
    upgrade: bytes  # the protocol asked for, b"" for none
    forwarded_for: bytes  # the client's own X-Forwarded-For
    request_id: bytes  # the client's own, if it may be kept

    @property
    def has_body(self) -> bool:
        return self.chunked or self.length > 0


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """One response, checked. Equal heads may be one object: nothing in it changes."""

    status: int
    onward: bytes  # what passes on of it: status line and headers, each with CRLF
    keep_alive: bool
    length: int | None  # None: no Content-Length
    chunked: bool
    upgrade: bytes  # the protocol it switches to


def parse_request(raw: bytes, limits: Limits) -> RequestHead:
    """Read a head that llhttp found well formed. Raises: BadHead (H26) for what it lets through and we do not."""
    line = _REQUEST_LINE.match(raw)
    if line is None:
        raise bad_request("request line")
    _check_sizes(raw, limits)
    method, target, minor = line[1], line[2], int(line[3])
    if method == b"CONNECT":
        raise bad_request("CONNECT is not allowed")
    special = _Special(raw, line.end(), _REQUEST_SPECIAL)
    length, chunked, hop = _request_framing(special, minor)
    host, shown_host, target = _find_host(special, target, minor)
    upgrade = special.upgrade if minor == 1 and b"upgrade" in special.named and not (chunked or length) else b""
    if b"h2c" in upgrade.lower():  # it would let requests pass that nobody checks
        upgrade = b""
    if upgrade:
        hop += b"Connection: Upgrade\r\nUpgrade: %b\r\n" % upgrade
    expect = special.values.get(b"expect")
    if expect is not None and minor == 1:  # RFC 9110 section 10.1.1: an HTTP/1.0 client's is ignored
        if expect[0].lower() != b"100-continue" or len(expect) > 1:
            raise bad_request("Expect", 417)
        hop += b"Expect: 100-continue\r\n"
    request_id = special.values.get(b"x-request-id", [b""])[0]
    return RequestHead(
        method, target, minor, host,
        f'method={method.decode()} path="{in_quotes(target)}" host={shown_host.decode()}',
        b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b" % (method, target, shown_host, special.lines, hop),
        _keeps_alive(special.named, minor), length, chunked, upgrade,
        b", ".join(filter(None, special.values.get(b"x-forwarded-for", ()))),
        request_id if _REQUEST_ID.fullmatch(request_id) else b"",
    )  # fmt: skip


def parse_response(raw: bytes, limits: Limits) -> ResponseHead:
    """Read a head that llhttp found well formed. Raises: BadHead (H17, H25)."""
    line = _STATUS_LINE.match(raw)
    if line is None:
        raise bad_response("status line")
    if line.end() > limits.status_line_bytes:
        raise too_large("status line too large")
    if len(raw) > limits.cookie_bytes and any(
        len(text) > limits.cookie_bytes and text[:11].lower() == b"set-cookie:" for text in raw.split(b"\r\n")
    ):
        raise too_large("cookie too large")
    minor, status = int(line[1]), int(line[2])
    special = _Special(raw, line.end(), _RESPONSE_SPECIAL)
    encodings = special.values.get(b"transfer-encoding")
    if encodings and (minor == 0 or [each.lower() for each in encodings] != [b"chunked"]):
        raise bad_response("Transfer-Encoding")
    lengths = special.values.get(b"content-length")
    length = int(lengths[0]) if lengths else None
    # RFC 9110 section 8.6: no length with 204, where none is meant.
    length_line = b"Content-Length: %d\r\n" % length if length is not None and status >= 200 and status != 204 else b""
    return ResponseHead(
        status, b"HTTP/1.1 %b %b\r\n%b%b" % (line[2], line[3], special.lines, length_line),
        _keeps_alive(special.named, minor), length, bool(encodings), special.upgrade,
    )  # fmt: skip


class _Special:
    """The lines of one head that mean something to a proxy, by name, and `lines`: all others, as they are."""

    __slots__ = ("lines", "named", "values")

    def __init__(self, raw: bytes, start: int, pattern: re.Pattern[bytes]) -> None:
        self.values: dict[bytes, list[bytes]] = {}
        kept, position = list[bytes](), start
        for found in pattern.finditer(raw, start - 2):
            self.values.setdefault(found[1].lower(), []).append(found[2].strip(b" \t"))
            kept.append(raw[position : found.start() + 2])
            position = found.end() + 2
        kept.append(raw[position:-2])
        self.lines = b"".join(kept)
        self.named: list[bytes] = []  # what Connection headers name
        for value in self.values.get(b"connection", ()):
            self.named += _TOKEN.findall(value.lower())
        self._remove_named()

    @property
    def upgrade(self) -> bytes:
        return b", ".join(self.values.get(b"upgrade", ()))

    def _remove_named(self) -> None:
        """RFC 9110 section 7.6.1: what a Connection header names was meant for us alone."""
        if names := {name for name in self.named if name not in (b"close", b"keep-alive", b"upgrade")}:
            kept = (line for line in self.lines.split(b"\r\n") if line.partition(b":")[0].lower() not in names)
            self.lines = b"\r\n".join(kept)


def in_quotes(text: bytes) -> str:
    """Bytes of a client as text for inside double quotes: nothing in it can end the quotes or the line."""
    plain = text.decode("utf-8", "replace")
    if '"' in plain or "\\" in plain:
        plain = plain.replace("\\", "\\\\").replace('"', '\\"')
    return plain if plain.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in plain)


def _keeps_alive(named: list[bytes], minor: int) -> bool:
    """Source: RFC 9112 section 9.3."""
    return b"close" not in named and (minor == 1 or b"keep-alive" in named)


def _check_sizes(raw: bytes, limits: Limits) -> None:
    if raw.count(b"\r\n") - 2 > limits.headers:
        raise bad_request("too many headers")
    if len(raw) <= min(limits.request_line_bytes, limits.header_line_bytes):
        return
    first, *others = raw.split(b"\r\n")
    if len(first) > limits.request_line_bytes:
        raise bad_request("request line too long")
    if any(len(line) > limits.header_line_bytes for line in others):
        raise bad_request("header too long")


def _request_framing(special: _Special, minor: int) -> tuple[int, bool, bytes]:
    """Length of the body, whether it is chunked, and the line that says so; llhttp has refused contradictions."""
    encodings = special.values.get(b"transfer-encoding")
    if encodings and (minor == 0 or [each.lower() for each in encodings] != [b"chunked"]):
        raise bad_request("Transfer-Encoding")
    lengths = special.values.get(b"content-length")
    if encodings:
        return 0, True, b"Transfer-Encoding: chunked\r\n"
    return (int(lengths[0]), False, b"Content-Length: %d\r\n" % int(lengths[0])) if lengths else (0, False, b"")


def _find_host(special: _Special, target: bytes, minor: int) -> tuple[str, bytes, bytes]:
    """Host, as parsed and as written, and the target in origin form.

    Source: RFC 9112 section 3.2: exactly one Host from an HTTP/1.1 client; that of an absolute URL stands above it.
    """
    hosts = special.values.get(b"host", [])
    if len(hosts) > 1:
        raise bad_request("several Host headers")
    if not hosts and minor == 1:
        raise bad_request("no Host header")
    shown = hosts[0] if hosts else b""
    if not target.startswith(b"/") and target != b"*":
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None or not absolute[1]:
            raise bad_request("request target")
        shown, path = absolute[1], absolute[2]
        target = path if path.startswith(b"/") else b"/" + path
    host = parse_host(shown)
    if host is None:
        raise bad_request("Host")
    return host, shown, target
