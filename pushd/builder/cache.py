"""What builds leave for later: slugs on the shelf and environments; and what of it may go."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pushd.builder.folders import remove_tree


def spare_environments(environments: Path, needed: Collection[str]) -> list[Path]:
    """Environments of one app that no slug names; half-built ones are among them. Names with a dot in front are ours."""
    return [path for path in _visible(environments) if path.name not in needed]


def spare_slugs(shelf: Path, needed: Collection[str]) -> list[Path]:
    """Folders on the shelf that no slug of any app names, such as one whose build was killed before it was stored."""
    return [path for path in _visible(shelf) if path.name not in needed]


def set_aside(path: Path, bin: Path) -> Path:
    """Take a folder off its place at once, to be removed at leisure: nobody finds half of it."""
    bin.mkdir(parents=True, exist_ok=True)
    aside = bin / path.name
    remove_tree(aside)
    return path.rename(aside)


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []
