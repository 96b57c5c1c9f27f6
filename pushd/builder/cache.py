"""What builds leave for later: slugs on the shelf and environments; and what of it may go."""

from __future__ import annotations

import stat
from collections.abc import Collection, Mapping
from pathlib import Path

from pushd.kit.atomic import sync_file, sync_folder
from pushd.kit.crash import crash_point
from pushd.kit.meter import Meter
from pushd.kit.remove import remove_tree

REMOVED = ".removed"  # on the shelf: what is being removed
COMPLETE = ".complete"  # written last: an environment without it was never finished


def spare_environments(environments: Path, needed: Collection[str]) -> list[Path]:
    """Environments of one app that no slug names; half-built ones are among them. Names with a dot in front are ours."""
    return [path for path in _visible(environments) if path.name not in needed]


def unfinished_environments(environments: Path, needed: Collection[str]) -> list[Path]:
    """Those that a build which failed or was stopped left half made: nobody will use them, and they may be large."""
    return [path for path in spare_environments(environments, needed) if not _is_finished(path)]


def measure_environments(environments: Path, known: Mapping[str, int]) -> dict[str, int]:
    """Bytes by name, of those that are `known` as they are there; what is still being made is left out."""
    finished = [path for path in _visible(environments) if _is_finished(path)]
    return {path.name: known.get(path.name) or Meter().add(path) for path in finished}


def sync_environment(environment: Path) -> None:
    """Bring the mark of a finished environment to the disk; what it holds is there already.

    Without its mark the next build would make it anew, under the feet of what runs in it.
    """
    if _is_finished(environment):
        sync_file(environment / COMPLETE)
        sync_folder(environment)
        sync_folder(environment.parent)


def trim(caches: Collection[Path], limit_bytes: int, environments: Collection[Path]) -> int:
    """Empty the caches of an app if they hold more than the limit; gives the bytes that were freed.

    What environments share with them (hard links) is not counted: it stays. All goes or nothing: what of a cache belongs
    together only its own program knows, and it fetches again what it misses.
    """
    meter = Meter()
    for folder in environments:
        meter.add(folder)
    size_bytes = sum(meter.add(folder) for folder in caches)
    if size_bytes <= limit_bytes:
        return 0
    for folder in caches:
        remove_tree(folder)
    return size_bytes


def spare_slugs(shelf: Path, needed: Collection[str]) -> list[Path]:
    """Folders on the shelf that no slug of any app names, such as one whose build was killed before it was stored."""
    return [path for path in _visible(shelf) if path.name not in needed]


def set_aside(path: Path, bin: Path) -> Path:
    """Take a folder off its place at once, to be removed at leisure: nobody finds half of it."""
    bin.mkdir(parents=True, exist_ok=True)
    aside = bin / path.name
    remove_tree(aside)
    path.rename(aside)
    crash_point("retention.slug-set-aside")
    return aside


def _is_finished(environment: Path) -> bool:
    """By the build's own word, a file that it leaves: good enough for what may go, and for nothing else. No link is one."""
    try:
        return stat.S_ISDIR(environment.lstat().st_mode) and stat.S_ISREG((environment / COMPLETE).lstat().st_mode)
    except OSError:
        return False


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []
