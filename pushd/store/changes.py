"""Changes that dynos have to follow, and how they ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from pushd.errors import NotFound
from pushd.kit.clock import Clock
from pushd.model.app import App
from pushd.model.change import Change, ChangeState
from pushd.store.database import Database
from pushd.store.rows import check_app_there, not_found, parse_id, time_text

KEPT = 200  # settled ones per app; older ones nobody asks for


class Changes:
    """Table `changes`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, app: App, release_number: int | None, dynos: Sequence[str] = ()) -> Change:
        """A pending one; the oldest settled ones of the app are forgotten. Raises: NotFound when the app is gone."""
        change_id, now = uuid4(), time_text(self._clock.now())

        def work(connection: sqlite3.Connection) -> Change:
            check_app_there(connection, app)
            connection.execute(
                "INSERT INTO changes (id, app_id, state, release_number, reason, created_at, updated_at, dynos)"
                " VALUES (?, ?, 'pending', ?, '', ?, ?, ?)",
                (str(change_id), str(app.id), release_number, now, now, ",".join(dynos)),
            )
            connection.execute(
                "DELETE FROM changes WHERE app_id = :app AND state <> 'pending' AND id NOT IN"
                " (SELECT id FROM changes WHERE app_id = :app ORDER BY created_at DESC, rowid DESC LIMIT :kept)",
                {"app": str(app.id), "kept": KEPT},
            )
            return _find(connection, change_id)

        return await self._database.transact(work)

    async def find(self, change_id: str | UUID) -> Change:
        """Raises: NotFound."""
        wanted = parse_id(change_id)
        if wanted is None:
            raise change_not_found()
        return await self._database.read(lambda connection: _find(connection, wanted))

    async def settle(self, change_id: UUID, state: ChangeState, reason: str = "", release_number: int | None = None) -> Change:
        """How it ended; one that is settled stays as it is. Raises: NotFound when its app is gone."""
        values = (state.value, reason, release_number, time_text(self._clock.now()), str(change_id))

        def work(connection: sqlite3.Connection) -> Change:
            connection.execute(
                "UPDATE changes SET state = ?, reason = ?, release_number = coalesce(?, release_number), updated_at = ?"
                " WHERE id = ? AND state = 'pending'",
                values,
            )
            return _find(connection, change_id)

        return await self._database.transact(work)

    async def pending(self) -> list[Change]:
        """Of all apps, oldest first: what a daemon that died left unsettled."""

        def work(connection: sqlite3.Connection) -> list[Change]:
            rows = connection.execute("SELECT * FROM changes WHERE state = 'pending' ORDER BY created_at, id")
            return [_change(row) for row in rows]

        return await self._database.read(work)


def change_not_found() -> NotFound:
    return not_found("change")


def _find(connection: sqlite3.Connection, change_id: UUID) -> Change:
    row = connection.execute("SELECT * FROM changes WHERE id = ?", (str(change_id),)).fetchone()
    if row is None:
        raise change_not_found()
    return _change(row)


def _change(row: sqlite3.Row) -> Change:
    return Change(
        id=UUID(row["id"]),
        app_id=UUID(row["app_id"]),
        state=ChangeState(row["state"]),
        release_number=row["release_number"],
        reason=row["reason"],
        dynos=tuple(row["dynos"].split(",")) if row["dynos"] else (),
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )
