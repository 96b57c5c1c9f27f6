"""One line of an app's log, in Heroku's words."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

APP, PLATFORM = "app", "heroku"  # the two sources
LINE_LIMIT_BYTES = 10_000  # longer lines are split, as on Heroku (Dev Center, Logging)


class LogLine(NamedTuple):
    """`id` orders the lines of one app and lets a reader go on after a break. A tuple: there are many."""

    at: datetime  # UTC, microseconds
    source: str  # "app" or "heroku"
    process: str  # "web.1", "router", "api"
    message: str
    id: str = ""

    def text(self) -> str:
        """`2026-01-01T10:00:00.123456+00:00 app[web.1]: message`"""
        return f"{_shown(self.at)} {self.source}[{self.process}]: {self.message}"


@lru_cache(maxsize=64)  # lines that came together have one time
def _shown(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
