"""Processes that were started on this machine, so that a later daemon finds them and never runs one twice."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from pushd.errors import DiskFull
from pushd.model.dyno import DynoRole, DynoRow, Epoch
from pushd.store.database import Database
from pushd.store.rows import time_text

log = logging.getLogger(__name__)

_PUT = """
INSERT OR REPLACE INTO dynos (
    id, app_id, name, type, role, command, release_id, release_number, restarts, port, identity, started_at, ready_at,
    leaving_at
) VALUES (
    :id, :app_id, :name, :type, :role, :command, :release_id, :release_number, :restarts, :port, :identity, :started_at,
    :ready_at, :leaving_at
)
"""


class Dynos:
    """Table `dynos`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, dyno: DynoRow) -> None:
        """Remember it, or replace what is known of the same id."""
        values = {
            "id": str(dyno.id),
            "app_id": str(dyno.app_id),
            "name": dyno.name,
            "type": dyno.type,
            "role": dyno.role.value,
            "command": dyno.command,
            "release_id": str(dyno.release_id),
            "release_number": dyno.epoch.release_number,
            "restarts": dyno.epoch.restarts,
            "port": dyno.port,
            "identity": dyno.identity,
            "started_at": time_text(dyno.started_at),
            "ready_at": time_text(dyno.ready_at) if dyno.ready_at else None,
            "leaving_at": time_text(dyno.leaving_at) if dyno.leaving_at else None,
        }
        await self._database.transact(lambda connection: connection.execute(_PUT, values))

    async def set_ready(self, dyno_id: UUID, at: datetime) -> None:
        """It is up since then; fine if it is unknown."""
        sql = "UPDATE dynos SET ready_at = ? WHERE id = ?"
        await self._database.transact(lambda connection: connection.execute(sql, (time_text(at), str(dyno_id))))

    async def set_leaving(self, dyno_id: UUID, at: datetime) -> None:
        """It has been told to end; fine if it is unknown."""
        sql = "UPDATE dynos SET leaving_at = ? WHERE id = ?"
        await self._database.transact(lambda connection: connection.execute(sql, (time_text(at), str(dyno_id))))

    async def remove(self, dyno_id: UUID) -> None:
        """It has ended and left nothing; fine if it is unknown."""
        await self._database.transact(lambda connection: connection.execute("DELETE FROM dynos WHERE id = ?", (str(dyno_id),)))

    async def list(self) -> list[DynoRow]:
        """Of all apps, in order of their start. A row that nobody can read is forgotten: its dyno is one of no app then."""
        rows = await self._database.read(
            lambda connection: connection.execute("SELECT * FROM dynos ORDER BY started_at, id").fetchall()
        )
        dynos = {row["id"]: _maybe_dyno(row) for row in rows}
        if lost := [dyno_id for dyno_id, dyno in dynos.items() if dyno is None]:
            log.error("forgetting dynos whose rows are damaged", extra={"dynos": lost})
            with suppress(DiskFull):
                await self._database.transact(
                    lambda connection: connection.executemany("DELETE FROM dynos WHERE id = ?", [(each,) for each in lost])
                )
        return [dyno for dyno in dynos.values() if dyno is not None]


def _maybe_dyno(row: sqlite3.Row) -> DynoRow | None:
    try:
        return _dyno(row)
    except (ValueError, TypeError):
        return None


def _dyno(row: sqlite3.Row) -> DynoRow:
    return DynoRow(
        id=UUID(row["id"]),
        app_id=UUID(row["app_id"]),
        name=row["name"],
        type=row["type"],
        role=DynoRole(row["role"]),
        command=row["command"],
        release_id=UUID(row["release_id"]),
        epoch=Epoch(row["release_number"], row["restarts"]),
        port=row["port"],
        identity=row["identity"],
        started_at=datetime.fromisoformat(row["started_at"]),
        ready_at=datetime.fromisoformat(row["ready_at"]) if row["ready_at"] else None,
        leaving_at=datetime.fromisoformat(row["leaving_at"]) if row["leaving_at"] else None,
    )
