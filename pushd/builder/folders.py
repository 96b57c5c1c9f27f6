"""Folders that builds leave or that somebody else wrote into: read without being led astray, and how deep they may be."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from pushd.errors import BuildFailed
from pushd.kit.walk import walk

READ_LIMIT_BYTES = 1 << 20
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
DEPTH_LIMIT = 200  # as of what is pushed


def measure_lengths(tree: Path) -> int:
    """The lengths of all files together, in bytes: what whoever reads or copies them has to do with.

    Raises: BuildFailed when it is so deep that who walks through it comes to an end of their stack, descriptors or paths.
    """
    size_bytes = 0
    for folder in walk(tree):
        if len(folder.names) > DEPTH_LIMIT:
            raise BuildFailed(
                f"the build left folders that are nested more than {DEPTH_LIMIT} deep",
                remedy="Look for what makes a folder in a folder without end.",
            )
        for name in folder.others:
            status = os.lstat(name, dir_fd=folder.descriptor)
            size_bytes += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return size_bytes


def read_inside(root: Path, name: str) -> bytes | None:
    """The first MiB of a regular file below `root`; None if there is none.

    Links count while they stay below `root`: a link to the daemon's own files is no file of the app. It is judged once it is
    held, so that nobody puts another in its place; nothing else, such as a FIFO, is opened.
    """
    try:
        held = os.open(root / name, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise
    try:
        place = f"/proc/self/fd/{held}"
        inside = Path(os.readlink(place)).is_relative_to(os.path.realpath(root))
        if not inside or not stat.S_ISREG(os.fstat(held).st_mode):
            return None
        with open(place, "rb") as file:
            return file.read(READ_LIMIT_BYTES)
    finally:
        os.close(held)


def shown_size(size_bytes: int) -> str:
    """1536 -> "1.5 KB" """
    size, units = float(size_bytes), iter(("B", "KB", "MB", "GB", "TB"))
    unit = next(units)
    while size >= 1024 and unit != "TB":
        size, unit = size / 1024, next(units)
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
