"""Processes that were started on this machine, so that a later daemon finds them and never runs one twice."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from uuid import UUID

from pushd.model.dyno import DynoRow, Epoch
from pushd.store.database import Database
from pushd.store.rows import time_text


class Dynos:
    """Table `dynos`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, dyno: DynoRow) -> None:
        """Remember it, or replace what is known of the same id."""
        values = (
            *(str(dyno.id), str(dyno.app_id), dyno.name, dyno.type, str(dyno.release_id)),
            *(dyno.epoch.release_number, dyno.epoch.restarts, dyno.port, dyno.identity, time_text(dyno.started_at)),
        )
        await self._database.transact(
            lambda connection: connection.execute("INSERT OR REPLACE INTO dynos VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        )

    async def remove(self, dyno_id: UUID) -> None:
        """It has ended and left nothing; fine if it is unknown."""
        await self._database.transact(lambda connection: connection.execute("DELETE FROM dynos WHERE id = ?", (str(dyno_id),)))

    async def list(self) -> list[DynoRow]:
        """Of all apps, in order of their start."""
        return await self._database.read(
            lambda connection: [_dyno(row) for row in connection.execute("SELECT * FROM dynos ORDER BY started_at, id")]
        )


def _dyno(row: sqlite3.Row) -> DynoRow:
    return DynoRow(
        id=UUID(row["id"]),
        app_id=UUID(row["app_id"]),
        name=row["name"],
        type=row["type"],
        release_id=UUID(row["release_id"]),
        epoch=Epoch(row["release_number"], row["restarts"]),
        port=row["port"],
        identity=row["identity"],
        started_at=datetime.fromisoformat(row["started_at"]),
    )
