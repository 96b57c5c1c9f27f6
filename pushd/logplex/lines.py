"""Bytes to messages: pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pushd.model.logline import LINE_LIMIT_BYTES

# Piece of a line: its message, the offset where the next piece begins, and the offset up to which bytes had to be there
# to know this piece. A tuple: there are many.
Piece = tuple[str, int, int]

_LOOK_AHEAD = 2  # a newline, or a carriage return and a newline, still belong to a line of exactly the limit
_HARMLESS = b"\t\n" + bytes(range(0x20, 0x7F))
# What could steer a terminal, but for tabs and the escapes that colour.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f]|\x1b(?!\\[[0-9;:]*m)")


def pieces(data: bytes, offset: int = 0) -> Iterator[Piece]:
    """The complete pieces of `data`, which stands at `offset` of a segment and begins where a piece begins.

    A line is one piece, or several of at most LINE_LIMIT_BYTES each; cuts never fall into a UTF-8 character. However the
    bytes of a segment are handed in, the pieces are the same. What is incomplete is left: the next call begins there.
    """
    end = data.rfind(b"\n") + 1
    if (plain := _plain(data[:end])) is not None:
        for message in plain:
            offset += len(message) + 1
            yield message, offset, offset
    else:
        for line in data[: end - 1].split(b"\n"):
            if len(line) > LINE_LIMIT_BYTES:
                yield from _cut(line, offset, ended=True)
                offset += len(line) + 1
            else:
                offset += len(line) + 1
                yield text(line.removesuffix(b"\r")), offset, offset
    if len(data) - end > LINE_LIMIT_BYTES:
        yield from _cut(data[end:], offset, ended=False)


def _plain(lines: bytes) -> list[str] | None:
    """The messages of whole lines that need no closer look: harmless ASCII, none too long. Else None."""
    if lines.translate(None, _HARMLESS):
        return None
    messages = lines.decode("ascii").split("\n")[:-1]
    return messages if len(max(messages, key=len, default="")) <= LINE_LIMIT_BYTES else None


def text(message: bytes) -> str:
    """The bytes as text that is harmless to show: invalid UTF-8 and control characters are replaced."""
    decoded = message.decode("utf-8", "replace")
    return decoded if decoded.isprintable() else _CONTROL.sub("�", decoded)


def chunks(message: bytes, limit: int) -> Iterator[bytes]:
    """The message in parts of at most `limit` bytes; an empty one is one part."""
    start = 0
    while len(message) - start > limit:
        end = _cut_before(message, start + limit)
        yield message[start:end]
        start = end
    yield message[start:]


def whole_characters(data: bytes) -> int:
    """How many bytes of `data` do not end in the middle of a UTF-8 character."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:  # the first byte of one of 2, 3 or 4
            size = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return len(data) - back if back < size else len(data)
        if byte < 0x80:
            break
    return len(data)


def _cut(line: bytes, offset: int, *, ended: bool) -> Iterator[Piece]:
    size = len(line.removesuffix(b"\r")) if ended else len(line) - _LOOK_AHEAD + 1
    start = 0
    while size - start > LINE_LIMIT_BYTES:
        end = _cut_before(line, start + LINE_LIMIT_BYTES)
        yield text(line[start:end]), offset + end, offset + start + LINE_LIMIT_BYTES + _LOOK_AHEAD
        start = end
    if ended:
        after = offset + len(line) + 1
        yield text(line[start:size]), after, after


def _cut_before(line: bytes, end: int) -> int:
    """`end`, or the start of the UTF-8 character that it falls into."""
    for back in range(4):
        if line[end - back] & 0xC0 != 0x80:
            return end - back
    return end  # no UTF-8
