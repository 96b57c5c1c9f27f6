"""Which program does the heavy work: git where it is there, else this Python with dulwich, in a process of its own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pushd.settings import Settings

# What old and honest repositories hold; git itself stores it unless it is told to be strict (git-fsck(1)).
_HARMLESS = (
    "badDate", "badDateOverflow", "badEmail", "badName", "badTimezone", "emptyName", "missingEmail", "missingNameBeforeEmail",
    "missingSpaceBeforeDate", "missingSpaceBeforeEmail", "multipleAuthors", "zeroPaddedDate", "zeroPaddedFilemode",
)  # fmt: skip


def find_git(settings: Settings) -> str | None:
    """The path of the git program; None if there is none, or the settings say never to use it."""
    return None if settings.git_program == "never" else shutil.which("git")


def index_command(git: str, objects: Path, repository: Path) -> tuple[Sequence[str], Mapping[str, str]]:
    """argv and environment of what indexes and checks a pack from stdin into `objects`. Source: git-index-pack(1)."""
    harmless = ",".join(f"{name}=ignore" for name in _HARMLESS)
    environ = {
        "GIT_DIR": str(repository),
        "GIT_OBJECT_DIRECTORY": str(objects),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(repository / "objects"),
    }
    return [git, "index-pack", "--stdin", "--fix-thin", f"--strict={harmless}"], environ


def index_module(pack: Path, objects: Path) -> Sequence[str]:
    """argv of what does the same without git, from a file."""
    return [sys.executable, "-m", "pushd.receiver.index", str(pack), str(objects)]


def upload_command(git: str | None, repository: Path, *, advertise: bool = False, stateless: bool = True) -> Sequence[str]:
    """argv of what answers a clone or fetch; `stateless`: one request on stdin, its answer on stdout, else all of it.

    Source: git-upload-pack(1).
    """
    flags = [*(["--stateless-rpc"] if stateless else []), *(["--advertise-refs"] if advertise else [])]
    if git is None:
        return [sys.executable, "-m", "pushd.receiver.upload_child", *flags, str(repository)]
    return [git, "-c", "safe.directory=*", "upload-pack", "--strict", *flags, str(repository)]


def _quoted(folder: Path) -> str:
    text = str(folder)
    if ":" not in text and not text.startswith('"'):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
