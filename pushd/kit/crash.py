"""Named lines at which this process ends as by `kill -9`, when it was told to: so a half-done act can be met on purpose."""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path
from typing import Protocol

log = logging.getLogger(__name__)


class _Fuse(Protocol):
    def burns_at(self, name: str) -> bool:
        """Whether to end at this line, which is being passed."""


class _Line:
    """One line, and how often it is passed before it counts."""

    def __init__(self, name: str, passing: int) -> None:
        self._name = name
        self._left = passing
        self._lock = threading.Lock()  # lines in threads are passed too

    def burns_at(self, name: str) -> bool:
        if name != self._name:
            return False
        with self._lock:
            self._left -= 1
            return self._left == 0


class _Note:
    """A file that names the line, whenever it is there; it goes with us, so that the next process lives."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def burns_at(self, name: str) -> bool:
        try:
            if self._path.read_text() != name:
                return False
            self._path.unlink()
        except FileNotFoundError:  # also when another thread was first
            return False
        return True


_fuse: _Fuse | None = None


def arm(name: str, *, passing: int = 1) -> None:
    """End this process when the line of this name is passed for the n-th time from now on."""
    global _fuse
    _fuse = _Line(name, passing)


def arm_by(note: Path) -> None:
    """End this process when a line is passed whose name stands in the file `note` at that moment."""
    global _fuse
    _fuse = _Note(note)


def crash_point(name: str) -> None:
    """Do nothing, unless this line is the one that was named to `arm`: then end here, and nothing is cleaned up."""
    if _fuse is not None and _fuse.burns_at(name):
        log.warning("crash point", extra={"point": name})
        os.kill(os.getpid(), signal.SIGKILL)
