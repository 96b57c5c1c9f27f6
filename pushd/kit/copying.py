"""Copies of files between descriptors: holes stay holes, or a small file of great length would fill the disk. Blocks."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

_AT_ONCE = 1 << 30


def copy_content(source: int, target: int) -> int:
    """Write what one file holds into another, an empty one; gives its length, which is the source's at the beginning.

    Source: lseek(2), SEEK_DATA and SEEK_HOLE.
    """
    size = os.fstat(source).st_size
    for at, end in data_in(source, size):
        os.lseek(target, at, os.SEEK_SET)
        while at < end and (sent := os.sendfile(target, source, at, min(end - at, _AT_ONCE))):  # it may have become shorter
            at += sent
    os.truncate(target, size)
    return size


def data_in(file: int, size: int) -> Iterator[tuple[int, int]]:
    """Where the first `size` bytes of a file are no holes: from, to."""
    at = 0
    while at < size:
        try:
            at = os.lseek(file, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return  # a hole up to the end
        end = min(os.lseek(file, at, os.SEEK_HOLE), size)
        if at < end:
            yield at, end
        at = max(at, end)
