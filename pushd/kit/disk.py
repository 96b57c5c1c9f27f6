"""What room a disk has, and how to tell a disk without room from every other trouble."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Room:
    """What a disk has left for this user; `free_files` is None where the file system counts none (btrfs)."""

    free_bytes: int
    size_bytes: int
    free_files: int | None

    def lack(self, *, reserve_bytes: int, reserve_files: int) -> str:
        """What is missing from these reserves, for a message; "" if nothing is. Without any byte there is always something."""
        if self.free_bytes == 0:
            return "nothing is free"
        if self.free_bytes < reserve_bytes:
            return f"{self.free_bytes // _MEGABYTE} MB are free, {reserve_bytes // _MEGABYTE} MB are needed"
        if self.free_files is not None and self.free_files < reserve_files:
            return f"room for {self.free_files} more files is left (inodes), for {reserve_files} is needed"
        return ""


def room_of(folder: Path) -> Room:
    """The room on the disk that holds `folder`."""
    found = os.statvfs(folder)
    return Room(
        free_bytes=found.f_bavail * found.f_frsize,
        size_bytes=found.f_blocks * found.f_frsize,
        free_files=found.f_favail if found.f_files else None,
    )


def has_files_left(folder: Path) -> bool:
    """Whether another file can be made beside those in `folder`."""
    return room_of(folder).free_files != 0


def is_full(error: BaseException) -> bool:
    """Whether this is the system's "no space left", or "quota exceeded".

    `shutil.copytree` gathers the errors of all files as text, so there the words decide.
    """
    if isinstance(error, shutil.Error):
        return any(os.strerror(number) in str(error) for number in _FULL)
    return isinstance(error, OSError) and error.errno in _FULL
