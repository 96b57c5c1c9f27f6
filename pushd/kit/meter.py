"""What folders take on their disk."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from pushd.kit.walk import walk

_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system's own is. Source: stat(2)


class Meter:
    """Adds up folders; a file with several names counts once, in the folder that is added first.

    Links are not followed, and what is removed meanwhile, or not ours to read, does not count. Blocks.
    """

    def __init__(self) -> None:
        self._shared: set[tuple[int, int]] = set()  # files that have other names too

    def add(self, path: Path) -> int:
        """The bytes that a file, or a folder with all in it, takes beyond what was added before; 0 if it is not there."""
        try:
            status = path.lstat()
        except OSError:
            return 0
        size_bytes = self._size(status)
        if not stat.S_ISDIR(status.st_mode):
            return size_bytes
        with suppress(OSError):  # somebody moves folders while we are in them: what follows does not count this time
            for folder in walk(path, readable_only=True):
                for name in (*folder.folders, *folder.others):
                    with suppress(OSError):
                        size_bytes += self._size(os.lstat(name, dir_fd=folder.descriptor))
        return size_bytes

    def _size(self, status: os.stat_result) -> int:
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            identity = (status.st_dev, status.st_ino)
            if identity in self._shared:
                return 0
            self._shared.add(identity)
        return status.st_blocks * _BLOCK_BYTES
