"""What this machine has for builds: Pythons that may run apps, and the installer. Looked for here, tried in the sandbox."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import uv

_PYTHON = re.compile(r"python3\.\d+")
_SYSTEM_FOLDERS = ("/usr/bin", "/usr/local/bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Programs of the machine that a build may start; the sandbox shows them at their own paths."""

    python: Path  # what runs buildpacks that are written in Python: the daemon's own interpreter, not its virtualenv
    pythons: tuple[Path, ...]  # candidates for apps; of two with the same version the first is taken
    collections: tuple[Path, ...]  # folders that hold installations, shown whole: cheaper than one by one
    uv: Path
    uv_version: str

    @classmethod
    def find(cls, environ: Mapping[str, str]) -> Tools:
        """Look at the system's folders, pyenv and uv; starts nothing. Raises: FileNotFoundError if uv is not installed."""
        home = Path(environ.get("HOME") or "/root")
        pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions"
        data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
        managed = Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")
        collections = tuple(folder for folder in (pyenv, managed) if os.access(folder, os.R_OK | os.X_OK))
        python = Path(os.path.realpath(sys.executable))
        return cls(
            python=python,
            pythons=tuple(_without_doubles([*_pythons(collections), python])),
            collections=collections,
            uv=Path(uv.find_uv_bin()),
            uv_version=version("uv"),
        )


def _pythons(collections: Iterable[Path]) -> Iterator[Path]:
    """The system's come first: every user may run them."""
    installed = [found / "bin" for collection in collections for found in sorted(_listed(collection), reverse=True)]
    for folder in [*map(Path, _SYSTEM_FOLDERS), *installed]:
        yield from (path for path in sorted(_listed(folder)) if _PYTHON.fullmatch(path.name))


def _without_doubles(paths: Iterable[Path]) -> Iterator[Path]:
    """Each file once, under the first name it was found by."""
    seen: set[str] = set()
    for path in paths:
        real = os.path.realpath(path)
        if real not in seen and _PYTHON.fullmatch(path.name) and os.access(path, os.X_OK):
            seen.add(real)
            yield path


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []  # not there, or not ours to see
