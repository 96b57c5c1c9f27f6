"""Named lines at which this process ends as by `kill -9`, when it was told to: so a half-done act can be met on purpose."""

from __future__ import annotations

import logging
import os
import signal
import threading

log = logging.getLogger(__name__)


class _Fuse:
    """Which line it is, and how often it is passed before it counts."""

    def __init__(self, name: str, passing: int) -> None:
        self.name = name
        self.left = passing
        self.lock = threading.Lock()  # lines in threads are passed too


_fuse: _Fuse | None = None


def arm(name: str, *, passing: int = 1) -> None:
    """End this process when the line of this name is passed for the n-th time from now on."""
    global _fuse
    _fuse = _Fuse(name, passing)


def crash_point(name: str) -> None:
    """Do nothing, unless this line is the one that was named to `arm`: then end here, and nothing is cleaned up."""
    if _fuse is None or _fuse.name != name:
        return
    with _fuse.lock:
        _fuse.left -= 1
        if _fuse.left == 0:
            log.warning("crash point", extra={"point": name})
            os.kill(os.getpid(), signal.SIGKILL)
