"""Whose files are: folders handed from one user to another, whatever who owned them put there. Only root can."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path


def give(folder: Path, uid: int) -> None:
    """Make a folder with all in it belong to a user and to the group of the same number; the folder itself comes last.

    So one whose top belongs to them is done; killed in between, it is done again. Links are not followed, also when somebody
    puts them there meanwhile. The kernel takes setuid bits away with it. Nothing happens if the folder is not there.
    """
    give_content(folder, uid)
    with contextlib.suppress(FileNotFoundError):
        os.chown(folder, uid, uid, follow_symlinks=False)


def give_content(folder: Path, uid: int) -> None:
    """The same for what is in it, but not for the folder itself. Raises: OSError, also for one that is nested too deep."""
    try:
        for _, folders, files, fd in os.fwalk(folder, topdown=False, follow_symlinks=False):
            for name in (*folders, *files):
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    os.chown(name, uid, uid, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        pass
    except RecursionError:
        raise OSError(errno.ELOOP, "folders are nested too deep", str(folder)) from None


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
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            seal(Path(entry.path), uid)
    folder.chmod(stat.S_ISVTX | 0o770 if uid else 0o700)
    os.chown(folder, 0, uid)


def seal(folder: Path, uid: int | None) -> None:
    """A folder in a shared one is root's own from now on: its name stays, though what is in it is still its user's."""
    if uid is not None and not folder.is_symlink():
        os.chown(folder, 0, uid)
        folder.chmod(0o755)
