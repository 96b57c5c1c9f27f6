"""logfmt: one `key=value` line per event, as the router's lines and the daemon's own log are written."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime

_BARE = re.compile(r'[^\x00-\x20"=\\\x7f-\xa0\u2028\u2029]+')  # nothing that ends a value or a line, or moves a cursor
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    ord(character): escape
    for character, escape in {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t",
                              "\u2028": r"\u2028", "\u2029": r"\u2029"}.items()
}  # fmt: skip
_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}


def quoted(value: object) -> str:
    """One value: bare when it can be, else in double quotes with control characters, quotes and backslashes escaped."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return text if _BARE.fullmatch(text) else f'"{text.translate(_ESCAPES)}"'


def line(pairs: Mapping[str, object]) -> str:
    """`{"at": "info", "path": "/a b"}` -> `at=info path="/a b"`, in the mapping's order."""
    return " ".join(f"{key}={quoted(value)}" for key, value in pairs.items())


class LogfmtFormatter(logging.Formatter):
    """Formats the daemon's own log: time, level, logger, message, then what `extra` held."""

    def format(self, record: logging.LogRecord) -> str:
        pairs: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        pairs.update((key, value) for key, value in vars(record).items() if key not in _STANDARD)
        text = line(pairs)
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text
