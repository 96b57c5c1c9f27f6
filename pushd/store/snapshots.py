"""Copies of the store from before it was migrated: whole and on the disk before a migration begins, few, and a way back.

`pushd.sqlite3.before-0007` is the store as the last pushd left it that knew migrations up to 0006. An older pushd can use it.
"""

from __future__ import annotations

import os
import re
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

from pushd.kit.atomic import sync_file, sync_folder

KEPT = 3
KEPT_FOR = timedelta(days=90)
_NUMBER = re.compile(r"\d{4}")


def take_snapshot(connection: sqlite3.Connection, path: Path, number: int) -> Path:
    """Copy the store at `path` before its migration `number`; the copy has its name once all of it is on the disk.

    Killed before that, it leaves a file that the next one replaces. Raises: OSError, sqlite3.Error (a full disk among them);
    nothing is left then.
    """
    place = _place(path, number)
    new = place.with_name(f"{place.name}.new")
    try:
        _clear(new)
        os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))  # SQLite keeps the mode
        connection.execute("VACUUM INTO ?", (str(new),))  # which reads every row: a damaged store is found here
        sync_file(new)
        new.replace(place)
    except BaseException:
        _clear(new)
        raise
    sync_folder(place.parent)
    return place


def maybe_snapshot(path: Path, known: int) -> Path | None:
    """The newest copy that a pushd can use which knows `known` migrations."""
    usable = [found for found in _snapshots(path) if _number(found) <= known + 1]
    return usable[-1] if usable else None


def forget_old(path: Path, now: datetime) -> None:
    """Remove all but the newest `KEPT`, those older than `KEPT_FOR`, and what a killed daemon left half copied."""
    found = _snapshots(path)
    oldest = (now - KEPT_FOR).timestamp()
    spare = [*found[:-KEPT], *(each for each in found[-KEPT:] if each.stat().st_mtime < oldest)]
    for each in spare:
        each.unlink(missing_ok=True)
    for each in path.parent.glob(f"{path.name}.before-*.new"):
        _clear(each)


def forget_all(path: Path) -> None:
    """Remove every copy: the store has another key now, and they hold what the old one opens."""
    for each in _snapshots(path):
        each.unlink(missing_ok=True)


def _clear(new: Path) -> None:
    """Remove half a copy; its journal first, which SQLite would play back into the next one."""
    for name in (f"{new.name}-journal", new.name):
        new.with_name(name).unlink(missing_ok=True)


def _snapshots(path: Path) -> list[Path]:
    """By number."""
    prefix = _place(path, 0).name[:-4]
    return sorted(each for each in path.parent.glob(f"{prefix}*") if _NUMBER.fullmatch(each.name.removeprefix(prefix)))


def _place(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.before-{number:04}")


def _number(snapshot: Path) -> int:
    return int(snapshot.name[-4:])
