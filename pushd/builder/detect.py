"""Which buildpacks build an app: those that it asks for, else the first installed one that detects it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from pushd.errors import BuildFailed
from pushd.model.buildpack import fault_of_address, maybe_installed, short_name


class Fetches(Protocol):
    """Who gets a buildpack from elsewhere."""

    async def fetch(self, app_id: UUID, url: str, into: Path) -> None:
        """Raises: BuildFailed."""


def installed_buildpacks(shelf: Path) -> list[Path]:
    """The folders that hold a buildpack, in the order of their names: the first that detects an app builds it."""
    return sorted(folder for folder in shelf.iterdir() if os.access(folder / "bin" / "detect", os.X_OK))


async def find_buildpacks(shelf: Path, urls: Sequence[str], fetcher: Fetches, app_id: UUID, into: Path) -> list[Path]:
    """A folder for each of the buildpacks that were asked for, in that order; those from elsewhere are fetched into `into`.

    No two folders have the same name. Raises: BuildFailed for one that cannot be had.
    """
    known = {folder.name: folder for folder in installed_buildpacks(shelf)}
    found: list[Path] = []
    for number, url in enumerate(urls, start=1):
        name = maybe_installed(url, known)
        if name is not None:
            found.append(known[name])
        elif "://" in url:
            if fault := fault_of_address(url):  # one of a config var, which nobody has looked at
                raise BuildFailed(
                    f"cannot use the buildpack {short_name(url)[:200]!r}: {fault}",
                    remedy="Correct the config var BUILDPACK_URL, or unset it.",
                )
            found.append(into / f"{_base_name(url)}.{number}")
            await fetcher.fetch(app_id, url, found[-1])
        else:
            raise BuildFailed(
                f"cannot use the buildpack {short_name(url)}: this server does not have it",
                remedy=f"Installed: {', '.join(f'heroku/{each}' for each in known) or 'none'}.",
            )
    return found


def tell_buildpacks(urls: Sequence[str]) -> str:
    """For the output of a build, as Heroku words it."""
    if len(urls) == 1:
        return f"-----> Using buildpack: {short_name(urls[0])}"
    return "\n".join(["-----> Using buildpacks:", *(f"       {n}. {short_name(url)}" for n, url in enumerate(urls, start=1))])


def _base_name(url: str) -> str:
    """ "https://github.com/user/heroku-buildpack-apt.git" -> "heroku-buildpack-apt" """
    last = urlsplit(url).path.rstrip("/").rpartition("/")[2].partition(".")[0]
    return "".join(c for c in last if c.isascii() and (c.isalnum() or c in "-_"))[:60] or "buildpack"
