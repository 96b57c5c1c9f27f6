"""Takes out of text what would steer the terminal that shows it: titles, cursors, questions that it answers. Colours stay."""

from __future__ import annotations

import re
from collections.abc import Callable

_COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")
# Sequences of ECMA-48: control sequences, strings up to their end, two-byte ones; then lone control characters. Tabs, line ends
# and carriage returns (progress of installers) stay.
_STEERING = re.compile(
    rb"\x1b\[[0-?]*[ -/]*(?:[@-~]|$)"
    rb"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"
    rb"|\x1b[ -/]*[0-~]?"
    rb"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
    rb"|\xc2[\x80-\x9f]"
)
_UNFINISHED = re.compile(rb"(?:\xc2|\x1b(?:\[[0-9;:]{0,32})?)\Z")  # a piece may end with that; its rest tells


def without_steering(data: bytes) -> bytes:
    """The same text; what steers is gone."""
    return _STEERING.sub(lambda found: found[0] if _COLOUR.fullmatch(found[0]) else b"", data)


def text_without_steering(text: str) -> str:
    """The same for text."""
    return without_steering(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


class Calmed:
    """The same for a text that comes in pieces, wherever it is cut; `write` is handed what is left of each."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._held = b""

    def write(self, data: bytes) -> None:
        """Take the next piece."""
        data = self._held + data
        unfinished = _UNFINISHED.search(data)
        cut = unfinished.start() if unfinished else len(data)
        self._held = data[cut:]
        self._write(without_steering(data[:cut]))
