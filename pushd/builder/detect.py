"""Which buildpacks may build an app."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pushd.errors import BuildFailed


def installed_buildpacks(shelf: Path) -> list[Path]:
    """The folders that hold a buildpack, in the order of their names: the first that detects an app builds it."""
    return sorted(folder for folder in shelf.iterdir() if os.access(folder / "bin" / "detect", os.X_OK))


def find_buildpacks(shelf: Path, names: Sequence[str]) -> list[Path]:
    """The folders of buildpacks that were asked for by name, in that order. Raises: BuildFailed for one that we do not have."""
    known = {folder.name: folder for folder in installed_buildpacks(shelf)}
    for name in names:
        if name not in known:
            kind = "buildpacks from a URL are not supported yet" if "://" in name or name.endswith(".git") else "it is unknown"
            raise BuildFailed(
                f"cannot use the buildpack {name}: {kind}", remedy=f"Installed on this server: {', '.join(known) or 'none'}."
            )
    return [known[name] for name in names]
