"""Finds what a Python needs beside its own file: the links that lead to it, and the folder of its standard library."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from pushd.sandbox.view import Bind

_LINKS_AT_MOST = 40  # as the kernel, path_resolution(7)


def find_interpreter(program: Path) -> tuple[tuple[Bind, ...], tuple[tuple[str, Path], ...]]:
    """Binds and links (target, place) that make `program` run at its own path in an empty file system.

    A virtualenv's bin/python is a link, often to another link, into an installation such as /root/.pyenv/versions/3.11.7:
    each installation on the way is shown whole and read-only, and a link that stands elsewhere is made again.
    A program that is missing, or that we may not look at, gives what could be found; starting it says the rest.
    """
    binds: dict[Path, Bind] = {}
    links: dict[Path, str] = {}
    place = program
    for _ in range(_LINKS_AT_MOST):
        for installation in (place.parent.parent, _home_of(place)):
            if installation is not None and _is_installation(installation):
                binds[installation] = Bind(Path(os.path.realpath(installation)), at=installation)
        if not os.path.islink(place):
            break
        target = os.readlink(place)
        if not any(installation in place.parents for installation in binds):
            links[place] = target
        place = Path(os.path.normpath(os.path.join(os.path.realpath(place.parent), target)))
    if os.path.exists(place) and not any(installation in place.parents for installation in binds):
        binds[place] = Bind(place)
    return tuple(binds.values()), tuple((target, where) for where, target in links.items())


def _is_installation(folder: Path) -> bool:
    return bool(glob.glob(f"{glob.escape(str(folder))}/lib/python3*/os.py"))


def _home_of(program: Path) -> Path | None:
    """The installation that a virtualenv names in its pyvenv.cfg (PEP 405: `home` is the folder of its interpreter)."""
    try:
        lines = (program.parent.parent / "pyvenv.cfg").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    values = [
        value.strip() for key, equals, value in (line.partition("=") for line in lines) if equals and key.strip() == "home"
    ]
    return Path(values[0]).parent if values else None
