"""One line of an app's log, in Heroku's words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

APP, PLATFORM = "app", "heroku"  # the two sources
LINE_LIMIT_BYTES = 10_000  # longer lines are split, as on Heroku (Dev Center, Logging)


@dataclass(frozen=True, slots=True)
class LogLine:
    """`id` orders the lines of one app and lets a reader go on after a break."""

    at: datetime  # UTC, microseconds
    source: str  # "app" or "heroku"
    process: str  # "web.1", "router", "api"
    message: str
    id: str = ""

    def text(self) -> str:
        """`2026-01-01T10:00:00.123456+00:00 app[web.1]: message`"""
        return f"{self.at.isoformat(timespec='microseconds')} {self.source}[{self.process}]: {self.message}"
