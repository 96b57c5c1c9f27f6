"""Where a message body ends: by length, by chunks, or with the connection. Bytes in, payload out, nothing kept."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Protocol

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[\t -~\x80-\xff]*)?")
_TRAILER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)")
_LINE_LIMIT_BYTES = 8192
_TRAILERS_LIMIT_BYTES = 32_768

# Fields that a trailer must not change after the fact. Source: RFC 9110 section 6.5.1.
_NOT_IN_TRAILERS = re.compile(
    rb"(?i)(?:transfer[-_]encoding|content[-_].*|host|connection|keep-alive|te|trailer|upgrade|via|expect|range|cookie"
    rb"|set-cookie|authorization|proxy-.*|www-authenticate|cache-control|x[-_]forwarded[-_].*|x[-_]request[-_].*)"
)
LAST_CHUNK = b"0\r\n"


Bytes = bytes | memoryview


class BadBody(ValueError):
    """The framing of a body is broken: chunk sizes, their line ends, or trailers."""


class Body(Protocol):
    """One body as it arrives. `done` turns true with its last byte; `trailers` are header lines, each with CRLF."""

    done: bool
    trailers: bytes

    def feed(self, data: Bytes) -> tuple[Bytes, Bytes]:
        """Payload in `data`, and what follows the body in it (empty unless done). Raises: BadBody."""


class LengthBody:
    """Content-Length: so many bytes."""

    __slots__ = ("_left", "done", "trailers")

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0
        self.trailers = b""

    def feed(self, data: Bytes) -> tuple[Bytes, Bytes]:
        left = self._left - len(data)
        if left > 0:
            self._left = left
            return data, b""
        self._left, self.done = 0, True
        return (data, b"") if left == 0 else (data[:left], data[left:])


class RestBody:
    """Everything until the other side closes; the connection's end sets `done`."""

    __slots__ = ("done", "trailers")

    def __init__(self) -> None:
        self.done = False
        self.trailers = b""

    def feed(self, data: Bytes) -> tuple[Bytes, Bytes]:
        return data, b""


class _Step(Enum):
    SIZE = auto()  # a chunk-size line comes next
    DATA = auto()  # payload, then its line end
    TRAILER = auto()  # trailer lines up to an empty one


class ChunkedBody:
    """Transfer-Encoding: chunked, as strict as RFC 9112 section 7.1 allows; extensions are dropped."""

    __slots__ = ("_held", "_left", "_step", "done", "trailers")

    def __init__(self) -> None:
        self._step = _Step.SIZE
        self._left = 0  # bytes of the current chunk's payload that are still to come
        self._held = b""  # the beginning of a line
        self.done = False
        self.trailers = b""

    def feed(self, data: Bytes) -> tuple[Bytes, Bytes]:
        data, self._held = self._held + bytes(data), b""
        position, payload = 0, list[bytes]()
        while not self.done and position < len(data):
            if self._left:
                piece = data[position : position + self._left]
                payload.append(piece)
                position += len(piece)
                self._left -= len(piece)
                continue
            end = data.find(b"\n", position)
            if end < 0:
                self._hold(data[position:])
                position = len(data)
            elif end - position >= _LINE_LIMIT_BYTES or data[end - 1 : end] != b"\r" or end == position:
                raise BadBody("chunk line")
            else:
                self._line(data[position : end - 1])
                position = end + 1
        return payload[0] if len(payload) == 1 else b"".join(payload), data[position:]

    def _line(self, line: bytes) -> None:
        if self._step is _Step.SIZE:
            self._left = self._size(line)
            self._step = _Step.DATA if self._left else _Step.TRAILER
        elif self._step is _Step.DATA:
            if line:
                raise BadBody("chunk data")
            self._step = _Step.SIZE
        elif not line:
            self.done = True
        else:
            self._trailer(line)

    def _size(self, line: bytes) -> int:
        found = _CHUNK_SIZE.fullmatch(line)
        if found is None:
            raise BadBody("chunk size")
        return int(found[1], 16)

    def _trailer(self, line: bytes) -> None:
        found = _TRAILER.fullmatch(line)
        if found is None or len(self.trailers) + len(line) > _TRAILERS_LIMIT_BYTES:
            raise BadBody("trailers")
        if not _NOT_IN_TRAILERS.fullmatch(found[1]):
            self.trailers += line + b"\r\n"

    def _hold(self, line: bytes) -> None:
        """Keep the beginning of a line; what can never become a right one is refused at once."""
        if len(line) > _LINE_LIMIT_BYTES:
            raise BadBody("chunk line")
        if self._step is _Step.SIZE:
            self._size(line.removesuffix(b"\r"))
        elif self._step is _Step.DATA and line != b"\r":
            raise BadBody("chunk data")
        self._held = line


def chunk(payload: Bytes) -> bytes:
    """One chunk of a chunked body; `payload` must not be empty, for that would end it."""
    return b"".join((b"%x\r\n" % len(payload), payload, b"\r\n"))
