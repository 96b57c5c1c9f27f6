"""Bytes to messages: pure."""

from __future__ import annotations

from collections.abc import Iterator

from pushd.model.logline import LINE_LIMIT_BYTES


def messages(line: bytes) -> Iterator[str]:
    """The messages of one raw line (without its newline): one, or several of at most LINE_LIMIT_BYTES each.

    A carriage return at the end goes; invalid UTF-8 and control characters that could steer a terminal are replaced, but
    for tabs and the escape that starts a colour. A cut never falls into a UTF-8 character.
    """
    line = line.removesuffix(b"\r")
    start = 0
    while True:
        end = _cut(line, start)
        yield _clean(line[start:end].decode("utf-8", "replace"))
        start = end
        if start >= len(line):
            return


def _cut(line: bytes, start: int) -> int:
    end = start + LINE_LIMIT_BYTES
    if end >= len(line):
        return len(line)
    for back in range(1, 4):  # a UTF-8 character has at most three continuation bytes
        if line[end] & 0xC0 != 0x80:
            return end
        end -= back and 1
    return end if line[end] & 0xC0 != 0x80 else start + LINE_LIMIT_BYTES


_CONTROL = dict.fromkeys((*range(9), *range(10, 27), *range(28, 32), 127), "�")


def _clean(text: str) -> str:
    return text.translate(_CONTROL)
