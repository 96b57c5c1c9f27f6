"""The terminal that a person sits at: its size, and its raw mode, in which every key is a byte for the program far away."""

from __future__ import annotations

import contextlib
import os
import termios
import tty
from typing import Any, NamedTuple, Protocol


class Size(NamedTuple):
    columns: int
    lines: int


class Stream(Protocol):
    """What of `sys.stdin` and `sys.stdout` is asked."""

    def isatty(self) -> bool: ...
    def fileno(self) -> int: ...


class Terminal:
    """One terminal, read at `stdin`, written at `stdout`; `restore` puts back what `make_raw` changed. Both may be repeated."""

    def __init__(self, stdin: int, stdout: int) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._cooked: list[Any] | None = None

    @property
    def size(self) -> Size:
        try:
            return Size(*os.get_terminal_size(self._stdout))
        except OSError:  # it has gone away
            return Size(80, 24)

    def make_raw(self) -> None:
        """What was typed ahead is kept. A terminal that has gone away is left alone."""
        with contextlib.suppress(termios.error):
            if self._cooked is None:
                self._cooked = termios.tcgetattr(self._stdin)
            tty.setraw(self._stdin, termios.TCSADRAIN)

    def restore(self) -> None:
        if self._cooked is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._stdin, termios.TCSADRAIN, self._cooked)
            self._cooked = None


def maybe_terminal(stdin: Stream | None, stdout: Stream | None) -> Terminal | None:
    """The terminal, if both what is typed and what is shown are one; a closed stream is None."""
    if stdin is None or stdout is None or not (stdin.isatty() and stdout.isatty()):
        return None
    return Terminal(stdin.fileno(), stdout.fileno())
