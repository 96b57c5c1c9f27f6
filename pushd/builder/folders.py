"""Folders that builds leave or that somebody else wrote into: read without being led astray, and how deep they may be."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pushd.errors import BuildFailed

READ_LIMIT_BYTES = 1 << 20
DEPTH_LIMIT = 200  # as of what is pushed


def measure_lengths(tree: Path) -> int:
    """The lengths of all files together, in bytes: what whoever reads or copies them has to do with.

    Raises: BuildFailed when it is so deep that who walks through it comes to an end of their stack, descriptors or paths.
    """
    top = os.fspath(tree)
    size_bytes = 0
    for folder, _, names, descriptor in os.fwalk(tree, follow_symlinks=False):  # outer ones first: no deeper than we ask
        if folder.count(os.sep, len(top)) > DEPTH_LIMIT:
            raise BuildFailed(
                f"the build left folders that are nested more than {DEPTH_LIMIT} deep",
                remedy="Look for what makes a folder in a folder without end.",
            )
        for name in names:
            status = os.lstat(name, dir_fd=descriptor)
            size_bytes += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return size_bytes


def read_inside(root: Path, name: str) -> bytes | None:
    """The first MiB of a regular file below `root`; None if there is none.

    Links count while they stay below `root`: a link to the daemon's own files is no file of the app. FIFOs are never opened.
    """
    path = Path(os.path.realpath(root / name))
    if not path.is_relative_to(os.path.realpath(root)):
        return None
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        with path.open("rb") as file:
            return file.read(READ_LIMIT_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
