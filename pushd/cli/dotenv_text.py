"""Config vars as text for an editor, and back: every value survives the round trip."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pushd.errors import InvalidParams

_NAME = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*")
_BARE = re.compile(r"[^\s'\"](?:[^\r\n]*[^\s])?|")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}
_TO_ESCAPE = {'"': '\\"', "\\": "\\\\", "\r": "\\r"}


class BadLine(InvalidParams):
    """A line that is no config var; the text names its number and shows no value."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"Line {number}: {why}.", remedy="Write KEY=value; quote values of several lines: KEY='...'.")


def dump(values: Mapping[str, str]) -> str:
    """One `KEY=value` per config var, sorted; quoted where the value could not stand bare."""
    return "".join(f"{key}={_quoted(value)}\n" for key, value in sorted(values.items()))


def parse(text: str) -> dict[str, str]:
    """The inverse of `dump`, for what people write too: comments, blank lines, `export`.

    Rules:   a bare value is the rest of its line without blanks at the ends, a "#" in it included; '...' is taken as it
             is; "..." knows \\n \\r \\t \\" \\\\ \\$; both may span lines.
    Raises:  BadLine.
    """
    values: dict[str, str] = {}
    position = 0
    while position < len(text):
        number = text.count("\n", 0, position) + 1
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        line = text[position:end].strip()
        if not line or line.startswith("#"):
            position = end + 1
            continue
        named = _NAME.match(text, position + _indent(text, position), end)
        if not named:
            raise BadLine(number, "it is not KEY=value")
        if named[1] in values:
            raise BadLine(number, f"{named[1]} is there twice")
        values[named[1]], position = _parse_value(text, named.end(), end, number)
    return values


def _parse_value(text: str, start: int, end: int, number: int) -> tuple[str, int]:
    """The value that begins at `start`, and where the next line begins."""
    mark = text[start : start + 1]
    if mark not in ("'", '"'):
        return text[start:end].strip(), end + 1
    pattern = r"'([^']*)'" if mark == "'" else r'"((?:\\.|[^"\\])*)"'
    quoted = re.compile(pattern, re.DOTALL).match(text, start)
    if not quoted:
        raise BadLine(number, "its quote does not end")
    rest_end = text.find("\n", quoted.end())
    rest_end = len(text) if rest_end < 0 else rest_end
    rest = text[quoted.end() : rest_end].strip()
    if rest and not rest.startswith("#"):
        raise BadLine(number, "something stands behind its quote")
    value = quoted[1] if mark == "'" else re.sub(r"\\(.)", _unescaped, quoted[1], flags=re.DOTALL)
    return value, rest_end + 1


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[1], found[0])


def _quoted(value: str) -> str:
    if _BARE.fullmatch(value) and value.strip() == value and value.isprintable():
        return value
    if "'" not in value and "\r" not in value:
        return f"'{value}'"
    return '"' + "".join(_TO_ESCAPE.get(character, character) for character in value) + '"'


def _indent(text: str, position: int) -> int:
    blanks = re.compile(r"[ \t]*").match(text, position)
    return len(blanks[0]) if blanks else 0
