"""A line that moves while one waits, on a terminal only; much quicker to import than a library for it."""

from __future__ import annotations

import sys
import threading

_FRAMES = "⣾⣷⣯⣟⡿⢿⣻⣽"
_PAUSE_SECONDS = 0.12
_CLEAR_LINE = "\r\x1b[K"


class Spinner:
    """Shows `text` with a turning sign behind it on stderr, from `start()` to `stop()`, which wipes the line."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._turn, name="spinner", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        sys.stderr.write(_CLEAR_LINE)
        sys.stderr.flush()

    def _turn(self) -> None:
        turn = 0
        while True:
            sys.stderr.write(f"{_CLEAR_LINE}{self._text}{_FRAMES[turn % len(_FRAMES)]}")
            sys.stderr.flush()
            turn += 1
            if self._over.wait(_PAUSE_SECONDS):
                return
