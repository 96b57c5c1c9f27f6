"""Room that the store has for its next writes, whatever else fills the disk: a WAL file that is never smaller than that.

A daemon must start on a full disk, and settle there what the last one left. SQLite deletes the WAL when the last connection
closes, so that the next one would find no room to make it anew. It does not if that connection can only read.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

KEPT_BYTES = 1 << 20  # about 250 pages; what a start settles takes a few of them for each build and dyno
_ZEROS = bytes(1 << 16)


def connect_last(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """A connection that reads; closed after all others, it leaves `-wal` and `-shm` where they are."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )


def keep_room(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the WAL's pages into the file, so that the next write begins it anew, and make it large enough.

    Fine on a full disk: then the room stays what it is. Raises: sqlite3.Error, OSError for what else goes wrong.
    """
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    _fill(connection, path)


def empty(connection: sqlite3.Connection, path: Path) -> None:
    """The same, and the WAL holds nothing afterwards: a backup that is put beside it is not changed by it."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _fill(connection, path)


def _fill(connection: sqlite3.Connection, path: Path) -> None:
    """Put zeros behind the last frame, while nobody writes: SQLite reads up to the first frame that is none of its own."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        file = os.open(path.with_name(f"{path.name}-wal"), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            while (missing := KEPT_BYTES - os.fstat(file).st_size) > 0:
                os.write(file, _ZEROS[:missing])
        finally:
            os.close(file)
    finally:
        connection.execute("ROLLBACK")
