"""Small facts that one daemon leaves to the next: ports of the last start, the router's table number."""

from __future__ import annotations

import sqlite3

from pushd.store.database import Database


class Meta:
    """Table `meta`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> str | None:
        """None if it was never set."""
        return await self._database.read(lambda connection: get_meta(connection, key))

    async def set(self, key: str, value: str) -> None:
        await self._database.transact(lambda connection: set_meta(connection, key, value))


def get_meta(connection: sqlite3.Connection, key: str) -> str | None:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row["value"])


def set_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def remove_meta(connection: sqlite3.Connection, key: str) -> None:
    connection.execute("DELETE FROM meta WHERE key = ?", (key,))
