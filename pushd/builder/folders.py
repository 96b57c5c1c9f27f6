"""Folders that builds leave or that somebody else wrote into: removed for good, read without being led astray."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

READ_LIMIT_BYTES = 1 << 20


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that is in it, whatever modes a program left there; nothing happens if it is not there.

    A link or a file in its place is removed too, and what a link leads to stays.
    """
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
        return
    shutil.rmtree(folder, onerror=_permit_and_retry)


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


def _permit_and_retry(function: Callable[..., Any], path: str, error: Any) -> None:
    if isinstance(error[1], FileNotFoundError):
        return
    if not isinstance(error[1], PermissionError):
        raise error[1]
    parent = os.path.dirname(path)
    os.chmod(parent, 0o700)
    if os.path.isdir(path) and not os.path.islink(path):
        os.chmod(path, 0o700)
        shutil.rmtree(path)
    else:
        function(path)
