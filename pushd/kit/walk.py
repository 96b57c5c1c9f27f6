"""Walks through folders that programs of others may be changing: however deep, never led astray, never made to wait. Blocks."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_GONE = (FileNotFoundError, NotADirectoryError)  # a link is no folder either


@dataclass(frozen=True, slots=True)
class Folder:
    """One that is open until the next is asked for. What is taken out of `folders` is not walked into."""

    descriptor: int
    folders: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # files, links, FIFOs and whatever else
    names: Sequence[str] = ()  # those that lead here from the top; like the descriptor, for now


def walk(top: Path, *, readable_only: bool = False) -> Iterator[Folder]:
    """The folder and all that are in it, outer ones first; what is removed meanwhile is left out.

    `readable_only`: so is what we may not look into, except the top.

    There is one descriptor, and no recursion: the way back goes by "..", and is looked at.
    Raises: FileNotFoundError or NotADirectoryError for the top; OSError when somebody moves a folder while we are in it.
    """
    here = os.open(top, _FOLDER)
    skipped = (*_GONE, PermissionError) if readable_only else _GONE
    names: list[str] = []
    above: list[tuple[int, int]] = []  # who they are
    waiting: list[list[str]] = []
    try:
        while True:
            folder = _listed(here, names)
            yield folder
            waiting.append(folder.folders[::-1])
            while (inner := _next(waiting[-1], here, skipped)) is None:
                waiting.pop()
                if not waiting:
                    return
                outer = os.open("..", _FOLDER, dir_fd=here)
                os.close(here)
                here = outer
                names.pop()
                if _identity(here) != above.pop():
                    raise OSError(errno.ESTALE, "a folder was moved while it was looked through", str(top))
            above.append(_identity(here))
            os.close(here)
            here = inner[1]
            names.append(inner[0])
    finally:
        os.close(here)


def _listed(descriptor: int, names: Sequence[str]) -> Folder:
    folder = Folder(descriptor, names=names)
    with os.scandir(descriptor) as entries:
        for entry in entries:
            (folder.folders if entry.is_dir(follow_symlinks=False) else folder.others).append(entry.name)
    return folder


def _next(waiting: list[str], here: int, skipped: tuple[type[OSError], ...]) -> tuple[str, int] | None:
    while waiting:
        name = waiting.pop()
        try:
            return name, os.open(name, _FOLDER, dir_fd=here)
        except skipped:
            continue
    return None


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino
