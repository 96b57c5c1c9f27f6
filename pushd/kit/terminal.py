"""Terminals made by us: a pair of descriptors, ours and the program's, and the size that the program sees."""

from __future__ import annotations

import fcntl
import os
import struct
import termios

_IFLAG = 0
_IUTF8 = 0o40000  # in the kernel's asm-generic/termbits.h; Python's termios has no name for it
END_OF_INPUT = b"\x04"  # VEOF, as every terminal starts


def open_terminal(columns: int, lines: int) -> tuple[int, int]:
    """Our end, not blocking, and the program's, as a new terminal is: lines are edited, echoed and in UTF-8."""
    ours, theirs = os.openpty()
    try:
        attributes = termios.tcgetattr(theirs)
        attributes[_IFLAG] |= _IUTF8  # backspace takes a whole character away
        termios.tcsetattr(theirs, termios.TCSANOW, attributes)
        resize(ours, columns, lines)
        os.set_blocking(ours, False)
    except BaseException:
        os.close(ours)
        os.close(theirs)
        raise
    return ours, theirs


def resize(ours: int, columns: int, lines: int) -> None:
    """Change what the program sees; the kernel tells it with SIGWINCH."""
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))
