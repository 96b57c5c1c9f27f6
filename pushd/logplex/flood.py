"""How many lines an app may write in a second before more are dropped, if its setting says so."""

from __future__ import annotations

import threading
from typing import NamedTuple

from pushd.kit.clock import Clock

_WINDOW_SECONDS = 1.0


class Allowance:
    """Counts the lines that the dynos of one app begin, by the second; for threads. No limit: there is nothing to count."""

    def __init__(self, clock: Clock) -> None:
        self.lines_per_second: int | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._begun_at = 0.0
        self._taken = 0

    def take(self, wanted: int) -> int:
        """How many of so many lines may come now; each is counted as come."""
        limit = self.lines_per_second
        if limit is None:
            return wanted
        with self._lock:
            now = self._clock.monotonic()
            if now - self._begun_at >= _WINDOW_SECONDS:
                self._begun_at, self._taken = now, 0
            granted = max(0, min(wanted, limit - self._taken))
            self._taken += granted
            return granted


class Share(NamedTuple):
    """What becomes of the bytes that wait: the first go into the log, the next are dropped, the rest waits on."""

    kept_bytes: int
    dropped_bytes: int
    dropped_lines: int


def lines_begun(data: bytes, *, line_is_open: bool) -> int:
    """How many lines begin in `data`; the rest of one that is open begins none."""
    return data.count(b"\n", 0, -1) + (0 if line_is_open or not data else 1)


def plan_share(data: bytes, allowed: int, *, line_is_open: bool) -> Share:
    """Only whole lines are dropped: the rest of one that was begun is kept, and a beginning waits until its line is there."""
    kept_lines = allowed + line_is_open
    parts = data.split(b"\n", kept_lines)
    if len(parts) <= kept_lines:
        return Share(len(data), 0, 0)
    rest = parts[-1]
    dropped_bytes = rest.rfind(b"\n") + 1
    return Share(len(data) - len(rest), dropped_bytes, rest.count(b"\n"))
