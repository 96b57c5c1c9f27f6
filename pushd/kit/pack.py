"""Folders as archives: a .tgz that is the same, byte for byte, whenever the content is."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path


def pack(folder: Path, into: Path, *, top: str) -> None:
    """Write a folder as a new .tgz; all of it below `top`. Blocks. Raises: OSError."""
    with into.open("xb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0, compresslevel=6) as zipped:
        with tarfile.open(fileobj=zipped, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for path in [folder, *_below(folder)]:
                _add(tar, path, "/".join((top, *path.relative_to(folder).parts)))


def _below(folder: Path) -> Iterator[Path]:
    """All that is in a folder, sorted by the bytes of the names; links are not followed."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    for entry in entries:
        yield Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path))


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    status = path.lstat()
    member = tarfile.TarInfo(name)
    member.mode = 0o755 if stat.S_ISDIR(status.st_mode) or status.st_mode & stat.S_IXUSR else 0o644
    if stat.S_ISDIR(status.st_mode):
        member.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(status.st_mode):
        member.type, member.linkname = tarfile.SYMTYPE, os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        member.size = status.st_size
        with path.open("rb") as content:
            return tar.addfile(member, content)
    else:
        return  # a FIFO or socket is nothing that could be packed
    tar.addfile(member)
