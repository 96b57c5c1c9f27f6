"""logfmt: one `key=value` line per event, as the router's lines and the daemon's own log are written."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}


def quoted(value: object) -> str:
    """One value: bare when it can be, else in double quotes with \\n, \\" and \\\\ escaped."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if text and all(character > " " and character not in '"=\\\x7f' for character in text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return f'"{escaped}"'


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
