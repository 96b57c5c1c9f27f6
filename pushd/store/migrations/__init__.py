"""Steps of the schema, forward only: `NNNN_<verb>_<noun>.sql`, each applied once, in one transaction.

`PRAGMA user_version` is the number of the last one applied.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pushd.errors import PushdError
from pushd.store.snapshots import maybe_snapshot, take_snapshot

log = logging.getLogger(__name__)
APPLICATION_ID = 0x70757368  # "push": says in the file's header whose it is
_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class StoreTooNew(PushdError):
    """The store was written by a newer pushd; nothing was changed."""

    id, status = "store_too_new", 500

    def __init__(self, path: Path, version: int, known: int) -> None:
        super().__init__(
            f"cannot use the store {path}: it was written by a newer pushd (schema {version}, this one knows {known})",
            remedy="Install that newer version again, or give another --data-dir." + _way_back(path, known),
        )


class NotOurs(PushdError):
    """A SQLite file of some other program stands where the store should be."""

    id, status = "store_not_ours", 500

    def __init__(self, path: Path) -> None:
        super().__init__(f"cannot use the store {path}: it belongs to another program", remedy="Give another --data-dir.")


def _way_back(path: Path, known: int) -> str:
    snapshot = maybe_snapshot(path, known)
    if snapshot is None:
        return ""
    return (
        f"\nTo go back to the state before the upgrade instead: move {path} and its -wal and -shm files away, then "
        f"`cp -p {snapshot} {path}`. What was changed since is not in it."
    )


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sql: str


def packaged_migrations() -> tuple[Migration, ...]:
    """The files beside this module, in order. Their numbers have no gap."""
    found = []
    for file in resources.files(__name__).iterdir():
        if match := _FILE_NAME.fullmatch(file.name):
            found.append(Migration(int(match[1]), file.name, file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    if [each.number for each in found] != list(range(1, len(found) + 1)):
        raise RuntimeError(f"migrations are numbered 1, 2, 3 ...; found {[each.name for each in found]}")
    return tuple(found)


def migrate(connection: sqlite3.Connection, migrations: tuple[Migration, ...], path: Path) -> None:
    """Apply what is missing, each file in a transaction of its own; foreign keys must be off on `connection`.

    A store that holds something is copied before. Killed anywhere, it is at one version or another, and the copy is whole.
    Raises: StoreTooNew or NotOurs, with nothing changed; OSError and sqlite3.Error when there is no room for the copy.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if owner != APPLICATION_ID and not empty:
        raise NotOurs(path)
    if version > len(migrations):
        raise StoreTooNew(path, version, len(migrations))
    if 0 < version < len(migrations):
        copy = take_snapshot(connection, path, version + 1)
        log.info("store copied before it is migrated", extra={"copy": copy})
    for migration in migrations[version:]:
        _apply(connection, migration)
        log.info("store migrated", extra={"migration": migration.name})


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements(migration.sql):
            connection.execute(statement)
        if broken := connection.execute("PRAGMA foreign_key_check").fetchone():
            raise RuntimeError(f"{migration.name} leaves rows of {broken[0]} that refer to nothing")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {migration.number}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def statements(sql: str) -> Iterator[str]:
    """The whole statements of a file, triggers included. Raises: ValueError if the last one does not end."""
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if any(line.strip() and not line.strip().startswith("--") for line in pending.splitlines()):
        raise ValueError(f"no semicolon after: {pending.strip()[:80]}")
