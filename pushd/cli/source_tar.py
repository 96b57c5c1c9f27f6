"""A folder as an archive: all of it that git would not ignore, whether or not it is a git repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pushd.errors import InvalidParams

_GIT_SECONDS = 60
_LIST = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")


@contextmanager
def pack_folder(folder: Path, environ: Mapping[str, str]) -> Iterator[IO[bytes]]:
    """A .tgz of the folder in a file that is gone afterwards. Raises: InvalidParams for a folder that is none, or empty."""
    if not folder.is_dir():
        raise InvalidParams(f"{folder} is no folder.", remedy="Give the app's folder, or --source-tar FILE.")
    with tempfile.TemporaryFile() as packed:
        names = sorted(name for name in _names(folder, environ) if os.path.lexists(folder / name))
        if not names:
            raise InvalidParams(f"There is nothing in {folder} to build.", remedy="Give the app's folder.")
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6, dereference=False) as tar:
            for name in names:
                tar.add(folder / name, arcname=name, filter=_plain)
        yield packed


def maybe_commit(folder: Path, environ: Mapping[str, str]) -> str | None:
    """The commit that is checked out there; None without one."""
    found = _git(folder, environ, "rev-parse", "--verify", "--quiet", "HEAD")
    return found.decode().strip() or None if found is not None else None


def _names(folder: Path, environ: Mapping[str, str]) -> list[str]:
    found = _git(folder, environ, *_LIST)
    if found is None and shutil.which("git", path=environ.get("PATH")):
        with tempfile.TemporaryDirectory() as empty:  # no repository: git reads .gitignore all the same, with one of ours
            _git(Path(empty), environ, "init", "-q")
            found = _git(folder, {**environ, "GIT_DIR": f"{empty}/.git", "GIT_WORK_TREE": str(folder)}, *_LIST)
    if found is not None:
        return [os.fsdecode(name) for name in found.split(b"\0") if name]
    return [entry.name for entry in os.scandir(folder) if entry.name != ".git"]


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Without whose it is here; the server takes exec bits and nothing else. A hard link goes as the file that it is."""
    if os.path.basename(member.name) == ".git" or not (member.isreg() or member.isdir() or member.issym()):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode &= 0o777
    return member


def _git(folder: Path, environ: Mapping[str, str], *words: str) -> bytes | None:
    """What git prints; None if it is missing or refuses."""
    try:
        done = subprocess.run(
            ["git", *words], cwd=folder, env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, timeout=_GIT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
