"""Looks at what waits in a pipe and takes nothing out of it. Source: tee(2)."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

_SPLICE_F_NONBLOCK = 2  # as os.SPLICE_F_NONBLOCK; tee takes the same flags
_BYTES = 1 << 16  # what a pipe of the usual size holds


class Peek:
    """What it needs for that: a second pipe, which shares the pages of the first."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing

    def look(self, pipe: int) -> bytes:
        """The bytes that would be read next, at most 64 KiB. Raises: BlockingIOError when there are none."""
        count = _libc.tee(pipe, self._writing, _BYTES, _SPLICE_F_NONBLOCK)
        if count < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))  # of the class that belongs to the number
        return os.read(self._reading, count) if count else b""


@contextlib.contextmanager
def peeking() -> Iterator[Peek]:
    """For a moment: it costs two descriptors."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield Peek(reading, writing)
    finally:
        os.close(reading)
        os.close(writing)


_libc = ctypes.CDLL(None, use_errno=True)
_libc.tee.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_size_t, ctypes.c_uint)
_libc.tee.restype = ctypes.c_ssize_t
