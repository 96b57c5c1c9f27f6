"""Whose files are: folders handed from one user to another, whatever who owned them put there. Only root can."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from pushd.kit.walk import walk


def give(folder: Path, uid: int) -> None:
    """Make a folder with all in it belong to a user and to the group of the same number; the folder itself comes last.

    So one whose top belongs to them is done; killed in between, it is done again. Links are not followed, also when somebody
    puts them there meanwhile. The kernel takes setuid bits away with it. Nothing happens if the folder is not there.
    """
    give_content(folder, uid)
    with contextlib.suppress(FileNotFoundError):
        os.chown(folder, uid, uid, follow_symlinks=False)


def give_content(folder: Path, uid: int) -> None:
    """The same for what is in it, but not for the folder itself; nothing in what is no folder. Raises: OSError."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for each in walk(folder):
            for name in (*each.folders, *each.others):
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    os.chown(name, uid, uid, dir_fd=each.descriptor, follow_symlinks=False)


def make_owned(folder: Path, uid: int | None, *, mode: int = 0o700) -> None:
    """Have the folder there, with all in it that user's; None: whoever makes it. Raises: OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=mode)
    if uid is None:
        return
    status = folder.lstat()
    if (status.st_uid, status.st_gid) != (uid, uid):
        give(folder, uid)


def lend(descriptor: int, uid: int | None) -> None:
    """Make the pipe or terminal behind a descriptor that user's, who may then open it anew by /dev/stdout and the like."""
    if uid is not None and os.fstat(descriptor).st_uid != uid:
        os.fchown(descriptor, uid, -1)


def make_shared(folder: Path, uid: int | None) -> None:
    """Have a folder there in which this user makes things and cannot replace what is sealed (the sticky bit).

    All that is in it becomes theirs, but the folders right in it are sealed, except those with a dot in front. None: nothing
    but the folder is made. Raises: OSError.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if uid is None:
        return
    status = folder.lstat()
    if (status.st_uid, status.st_gid) == (0, uid):
        return
    for entry in os.scandir(folder):
        give(Path(entry.path), uid)
        if not entry.name.startswith("."):
            with contextlib.suppress(NotADirectoryError, FileNotFoundError):
                seal(Path(entry.path), uid)
    folder.chmod(stat.S_ISVTX | 0o770 if uid else 0o700)
    os.chown(folder, 0, uid)


def seal(folder: Path, uid: int | None) -> None:
    """A folder in a shared one is root's own from now on: its name stays, though what is in it is still its user's.

    Nothing is followed or changed but the folder itself, whatever somebody puts in its place meanwhile.
    Raises: OSError, NotADirectoryError for anything else in its place, links too.
    """
    found = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if uid is not None:
            os.chown(f"/proc/self/fd/{found}", 0, uid)
            os.chmod(f"/proc/self/fd/{found}", 0o755)
    finally:
        os.close(found)


def maybe_sealed(folder: Path, uid: int | None) -> tuple[int, int] | None:
    """Device and inode of a folder that `seal` has closed; None if it is none, or is no folder.

    Where all are one user (0, None) nothing can be closed, and any folder will do: look again where it is used.
    """
    try:
        status = folder.lstat()
    except OSError:
        return None
    if not stat.S_ISDIR(status.st_mode) or (uid and status.st_uid != 0):
        return None
    return status.st_dev, status.st_ino
