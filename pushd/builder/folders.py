"""Folders that builds leave or that somebody else wrote into: read without being led astray, and how deep they may be."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pushd.errors import BuildFailed

READ_LIMIT_BYTES = 1 << 20
DEPTH_LIMIT = 200  # as of what is pushed


def refuse_deep(tree: Path) -> None:
    """Nothing that walks through it comes to an end of its stack, descriptors or paths. Raises: BuildFailed."""
    top = os.fspath(tree)
    for folder, _, _, _ in os.fwalk(tree, follow_symlinks=False):  # outer ones first: it goes no deeper than we ask
        if folder.count(os.sep, len(top)) > DEPTH_LIMIT:
            raise BuildFailed(
                f"the build left folders that are nested more than {DEPTH_LIMIT} deep",
                remedy="Look for what makes a folder in a folder without end.",
            )


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
