"""Finds what a Python needs beside its own file: the links that lead to it, and the folder of its standard library.

The links stand in a virtualenv that a build of the app wrote, and lead where the app likes. So what is shown must look like a
Python, and must hold nobody's home and nothing of our data folder.
"""

from __future__ import annotations

import glob
import os
import pwd
import re
import stat
from pathlib import Path

from pushd.sandbox.view import Bind

_LINKS_AT_MOST = 40  # as the kernel, path_resolution(7)
_CONFIG_BYTES = 65_536
_PYTHON = re.compile(r"(python|pypy)[0-9.]*")
_SHOWN_ANYWAY = Path("/usr")


def find_interpreter(program: Path, hidden: Path | None = None) -> tuple[tuple[Bind, ...], tuple[tuple[str, Path], ...]]:
    """Binds and links (target, place) that make `program` run at its own path in an empty file system.

    A virtualenv's bin/python is a link, often to another link, into an installation such as /root/.pyenv/versions/3.11.7:
    each installation on the way is shown whole and read-only, and a link that stands elsewhere is made again.
    A program that is missing, or that we may not look at or show, gives what could be found; starting it says the rest.
    Nothing in `hidden`, our data folder, is shown.
    """
    hidden = None if hidden is None else Path(os.path.realpath(hidden))
    binds: dict[Path, Bind] = {}
    links: dict[Path, str] = {}
    place = program
    for _ in range(_LINKS_AT_MOST):
        for installation in (place.parent.parent, _home_of(place)):
            if installation is not None and (found := _maybe_installation(installation, hidden)) is not None:
                binds[installation] = Bind(found, at=installation)
        if not os.path.islink(place):
            break
        target = os.readlink(place)
        if not any(installation in place.parents for installation in binds):
            links[place] = target
        place = Path(os.path.normpath(os.path.join(os.path.realpath(place.parent), target)))
    if not any(installation in place.parents for installation in binds):
        real = Path(os.path.realpath(place.parent)) / place.name
        if _is_program(real, place == program, hidden):
            binds[place] = Bind(real, at=None if real == place else place)
    return tuple(binds.values()), tuple((target, where) for where, target in links.items())


def _maybe_installation(folder: Path, hidden: Path | None) -> Path | None:
    """Where it is, without a link on the way, if it may be shown. The app may change its links while we look: this is shown."""
    real = Path(os.path.realpath(folder))
    if _is_private(real, hidden) or not glob.glob(f"{glob.escape(str(real))}/lib/python3*/os.py"):
        return None
    return real


def _is_program(place: Path, is_asked_for: bool, hidden: Path | None) -> bool:
    try:
        mode = place.lstat().st_mode
    except OSError:
        return False
    if not stat.S_ISREG(mode) or not mode & 0o111 or not (is_asked_for or _PYTHON.fullmatch(place.name)):
        return False
    return hidden is None or not place.is_relative_to(hidden)


def _is_private(folder: Path, hidden: Path | None) -> bool:
    """Whether somebody's home is in it, such as in /, or it has to do with our data folder."""
    if hidden is not None and (folder.is_relative_to(hidden) or hidden.is_relative_to(folder)):
        return True
    if folder.is_relative_to(_SHOWN_ANYWAY):
        return False
    homes = {Path(user.pw_dir) for user in pwd.getpwall()}
    return any(home.is_relative_to(folder) and not home.is_relative_to(_SHOWN_ANYWAY) for home in homes)


def _home_of(program: Path) -> Path | None:
    """The installation that a virtualenv names in its pyvenv.cfg (PEP 405: `home` is the folder of its interpreter)."""
    try:  # the app may have put anything there: a link to follow, a FIFO to wait for
        file = os.open(program.parent.parent / "pyvenv.cfg", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        lines = os.read(file, _CONFIG_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    finally:
        os.close(file)
    values = [
        value.strip() for key, equals, value in (line.partition("=") for line in lines) if equals and key.strip() == "home"
    ]
    return Path(values[0]).parent if values and values[0].startswith("/") else None
