"""Removes what programs of others left: however deep, whatever modes, never led astray by a link. Blocks."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MINE = stat.S_IRWXU


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that is in it; nothing happens if it is not there. Raises: OSError.

    A link or a file in its place is removed too, and what a link leads to stays. Folders are moved to the top before they are
    emptied: so there is no depth at which paths, descriptors or our own stack come to an end.
    """
    try:
        top = _open(os.fspath(folder))
    except FileNotFoundError:
        return
    except NotADirectoryError:  # O_NOFOLLOW makes a link one of these
        folder.unlink(missing_ok=True)
        return
    try:
        _empty(top)
    finally:
        os.close(top)
    with contextlib.suppress(FileNotFoundError):
        folder.rmdir()


def remove_trees(folders: Iterable[Path]) -> None:
    """All of them that can be. Raises: OSError, the first one, when the others are gone."""
    failed: list[OSError] = []
    for folder in folders:
        try:
            remove_tree(folder)
        except OSError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def _empty(top: int) -> None:
    waiting = _clear(top, top)
    while waiting:
        name = waiting.pop()
        try:
            folder = _open(name, dir_fd=top)
        except FileNotFoundError:
            continue
        try:
            waiting += _clear(folder, top)
        finally:
            os.close(folder)
        os.rmdir(name, dir_fd=top)


def _clear(folder: int, top: int) -> list[str]:
    """Remove what is no folder, move to the top what is one; gives the names that these have there."""
    moved = []
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        with contextlib.suppress(FileNotFoundError):
            if not is_folder:
                os.unlink(name, dir_fd=folder)
            elif folder == top:
                moved.append(name)
            else:
                moved.append(_move(name, folder, top))
    return moved


def _move(name: str, folder: int, top: int) -> str:
    new = uuid4().hex
    try:
        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)
    except PermissionError:  # who is no root has to be allowed to write the folder that moves
        os.close(_open(name, dir_fd=folder))
        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)
    return new


def _open(name: str, *, dir_fd: int | None = None) -> int:
    """A descriptor of a folder that we may read and change; it is given the mode for it."""
    found = os.open(name, _FOLDER, dir_fd=dir_fd)
    try:
        if os.fstat(found).st_mode & _MINE != _MINE:
            with contextlib.suppress(PermissionError):  # it is another's: perhaps that is no hindrance
                os.chmod(f"/proc/self/fd/{found}", _MINE)
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=found)
    finally:
        os.close(found)
