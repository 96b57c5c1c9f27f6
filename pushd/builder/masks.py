"""Many secrets found in a text at once: as they stand, and as programs write them for somebody else to read.

What was escaped for a URL or for a language is found by reading the text back (`_readings`), for every program escapes other
characters. Base64 is not read back, for nobody says where it begins: `disguises` gives the shapes that it has.
"""

from __future__ import annotations

import base64
import json
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

MIN_CHARACTERS = 8  # of a disguise; shorter ones could be anything
LINE_CHARACTERS = 16  # base64 is read on over the end of a line of so many
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
MOST_PER_BYTE = 6  # characters that one byte of a secret is written as: \u001b

_HEAD_BYTES = 4  # no secret is shorter
_PIECE_CHARACTERS = 200  # a secret of 60 KB would be compared as a whole wherever a text begins as it does
_URL_SAFE = str.maketrans("+/", "-_")  # RFC 4648 section 5
_COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")
_PERCENT = re.compile(rb"%([0-9a-fA-F]{2})")
_PERCENT_OR_PLUS = re.compile(rb"%([0-9a-fA-F]{2})|\+")
_BACKSLASH = re.compile(rb"((?:\\u[0-9a-fA-F]{4})+)|\\x([0-9a-fA-F]{2})|\\([0-3][0-7]{2})|\\([^\n])")
_LINE_END = re.compile(rb"(?<=[A-Za-z0-9+/_-]{16})(?:[ \t]*\r?\n[ \t]*|\\r\\n|\\n)")
_LETTERS = {b"a": b"\a", b"b": b"\b", b"e": b"\x1b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


@dataclass(frozen=True, slots=True)
class Mask:
    """What is put in the place of data[start:end]."""

    start: int
    end: int
    shown: bytes


class Masks:
    """Made of each secret, of four bytes at least, and what is shown in its place.

    A text is looked through in a time that goes by its length, however many secrets there are: users name them.
    """

    def __init__(self, secrets: Mapping[bytes, bytes]) -> None:
        self._secrets = sorted(secrets)
        self._shown = [secrets[each] for each in self._secrets]
        self._heads = {word for each in self._secrets for word in _words(each[:_HEAD_BYTES])}
        self._begun_with = _begun_with(self._secrets)  # a build may print what begins as many of them do, and is none
        self.longest = max(map(len, self._secrets), default=0)

    def find(self, data: bytes) -> list[Mask]:
        """In order, and none lies over another."""
        found = self._in(data) if self._secrets else []
        for text, starts, ends, at_least in _readings(data) if self._secrets else ():
            spans = (mask for mask in self._in(text) if mask.end - mask.start >= at_least)
            found += [Mask(starts[mask.start], ends[mask.end - 1], mask.shown) for mask in spans]
        return _apart(found)

    def _in(self, text: bytes) -> list[Mask]:
        found = []
        for offset in range(_HEAD_BYTES):  # whole numbers are looked up thrice as quickly as slices
            words = _words(text[offset:])
            if self._heads.isdisjoint(words):
                continue
            for at in [offset + _HEAD_BYTES * n for n, word in enumerate(words) if word in self._heads]:
                if (which := self._longest_at(text, at)) >= 0:
                    found.append(Mask(at, at + len(self._secrets[which]), self._shown[which]))
        return found

    def _longest_at(self, text: bytes, at: int) -> int:
        """The place in the list of the longest secret that stands there, or -1.

        Everything between a beginning of the text and the text itself, in their order, begins with that beginning. And where
        a secret stands, all that it begins with stand too.
        """
        last = bisect_right(self._secrets, text[at : at + self.longest]) - 1
        if last < 0 or text.startswith(self._secrets[last], at):
            return last
        found = self._begun_with[last]
        standing = bisect_left(found, True, key=lambda which: not text.startswith(self._secrets[which], at))
        return found[standing - 1] if standing else -1


def disguises(text: str) -> Iterator[str]:
    """The same text as the shell quotes it, and as base64.

    Base64 of something longer, such as the `user:password` of a header, holds the text in one of three shapes, by where
    it begins; what neighbours share in is left away.
    """
    found = [text.replace("'", "'\\''"), text.replace("'", "'\"'\"'")]
    data = text.encode()
    for before in range(3):
        padded = b"\0" * before + data
        whole = base64.b64encode(padded).rstrip(b"=").decode()
        first, last = -(-before * 8 // 6), len(padded) * 8 // 6
        found += [whole[first:last], whole[first:last].translate(_URL_SAFE)]
    yield from (form for form in dict.fromkeys(found) if form != text and len(form) >= MIN_CHARACTERS)


def pieces(text: str) -> Iterator[str]:
    """A long text in pieces that are all of it, none over another: each is found by itself, also where output is cut."""
    while len(text) >= 2 * _PIECE_CHARACTERS:
        yield text[:_PIECE_CHARACTERS]
        text = text[_PIECE_CHARACTERS:]
    yield text


def _words(text: bytes) -> array[int]:
    """Each four bytes as a number; what is left over at the end is left away."""
    return array("I", text[: len(text) - len(text) % _HEAD_BYTES])


def _begun_with(ordered: Sequence[bytes]) -> list[list[int]]:
    """For each, the places of all others that it begins with, shortest first."""
    found: list[list[int]] = []
    around: list[int] = []
    for place, text in enumerate(ordered):
        while around and not text.startswith(ordered[around[-1]]):
            around.pop()
        found.append(around[:])
        around.append(place)
    return found


def _apart(masks: Sequence[Mask]) -> list[Mask]:
    """The same places, each covered once; where one goes on as it begins, it is one."""
    found: list[Mask] = []
    done = 0
    for mask in sorted(masks, key=lambda mask: (mask.start, -mask.end)):
        if mask.end > done:
            start = max(mask.start, done)
            if found and start == done and mask.shown == found[-1].shown:
                start = found.pop().start
            found.append(Mask(start, mask.end, mask.shown))
            done = mask.end
    return found


def _readings(data: bytes) -> Iterator[tuple[bytes, list[int], list[int], int]]:
    """What the text says once it is read back, where each byte of that began and ended, and how long a secret in it must be."""
    if b"\x1b[" in data:
        yield *_read(data, _COLOUR, lambda match: b""), 0
    if b"%" in data:
        yield *_read(data, _PERCENT, _from_percent), 0
    if b"+" in data:
        yield *_read(data, _PERCENT_OR_PLUS, _from_percent), 0
    if b"\\" in data:
        yield *_read(data, _BACKSLASH, _from_backslash), 0
    if _LINE_END.search(data):
        yield *_read(data, _LINE_END, lambda match: b""), LINE_CHARACTERS


def _read(
    data: bytes, tokens: re.Pattern[bytes], decode: Callable[[re.Match[bytes]], bytes]
) -> tuple[bytes, list[int], list[int]]:
    text, starts, ends, at = bytearray(), list[int](), list[int](), 0
    for match in tokens.finditer(data):
        start, end = match.span()
        said = decode(match)
        text += data[at:start] + said
        starts += [*range(at, start), *[start] * len(said)]
        ends += [*range(at + 1, start + 1), *[end] * len(said)]
        at = end
    text += data[at:]
    starts += range(at, len(data))
    ends += range(at + 1, len(data) + 1)
    return bytes(text), starts, ends


def _from_percent(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) if match[1] else b" "


def _from_backslash(match: re.Match[bytes]) -> bytes:
    """As JSON, JavaScript, Python and the shell escape characters."""
    characters, hexadecimal, octal, other = match.groups()
    if characters:
        text: str = json.loads(b'"%b"' % characters)  # which puts surrogates together
        return text.encode("utf-8", "replace")
    if hexadecimal:
        return bytes.fromhex(hexadecimal.decode())
    return bytes([int(octal, 8)]) if octal else _LETTERS.get(other, other)
