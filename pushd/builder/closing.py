"""Makes a finished tree nobody's to write, also for those who got hold of a part of it while it was built.

A build can hand what it has open to a process outside of its sandbox, such as a dyno of its app. A file that is open for
writing stays so, whomever it belongs to by then, and apps whose files are the same share them: so who has one open gets to
keep it, and the tree gets a copy. Only as root: elsewhere all apps are one user, who may open anything anew.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
from pathlib import Path
from uuid import uuid4

from pushd.errors import BuildFailed
from pushd.kit.copying import copy_content
from pushd.kit.walk import walk

_OTHERS = stat.S_IWGRP | stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID
_ROUNDS = 10
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHANGED = (errno.ENOENT, errno.ELOOP)  # what stood there is gone, or a link now


def close_tree(tree: Path) -> int:
    """All in it is ours alone to write; gives how many files somebody had open for writing. Raises: BuildFailed, OSError.

    Folders that others may write are closed first and looked at again, until one look finds nothing to be done.
    """
    copied = 0
    for _ in range(_ROUNDS):
        changes, copies = _close_once(tree)
        copied += copies
        if not changes:
            return copied
    raise BuildFailed(
        "somebody outside of the build goes on changing its files",
        remedy="Let the build hand none of its files to a dyno, then push again.",
    )


def _close_once(tree: Path) -> tuple[int, int]:
    """How much there was to change, and how many files of it to copy."""
    changes = copies = 0
    for each in walk(tree):
        folder = each.descriptor
        changes += _close(folder)
        for name in each.others:
            try:
                if not stat.S_ISREG(os.lstat(name, dir_fd=folder).st_mode):
                    continue
                file = os.open(name, _OPEN, dir_fd=folder)
            except OSError as error:
                if error.errno not in _CHANGED:
                    raise
                changes += 1
                continue
            try:
                changes += _close(file)
                if _is_open_for_writing(file):
                    _replace_by_copy(name, file, folder)
                    copies += 1
            finally:
                os.close(file)
    return changes + copies, copies


def _close(descriptor: int) -> int:
    """1 if it was somebody else's, or others might write it."""
    status = os.fstat(descriptor)
    theirs = (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid())
    if theirs:
        os.fchown(descriptor, os.geteuid(), os.getegid())
    if status.st_mode & _OTHERS:
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & ~_OTHERS)
    return int(theirs or bool(status.st_mode & _OTHERS))


def _is_open_for_writing(file: int) -> bool:
    """The kernel gives no lease for reading then. Source: fcntl(2), F_SETLEASE.

    Whoever opens it while we have one has us sent a signal: one that is ignored, for SIGIO would end us.
    """
    fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
    try:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:  # a file system without leases
        return False
    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _replace_by_copy(name: str, file: int, folder: int) -> None:
    """Put another file of the same content and mode there; what it was goes on where it is open."""
    mode = stat.S_IMODE(os.fstat(file).st_mode)
    aside = f".{uuid4().hex}"
    copy = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        copy_content(file, copy)
        os.fchmod(copy, mode)
    finally:
        os.close(copy)
    os.rename(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
