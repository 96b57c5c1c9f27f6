"""The audit trail: who did what, from where, by which token or key, when, and how it ended. It only grows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from pushd.kit.clock import Clock
from pushd.model.app import App
from pushd.model.deed import Deed, clean, parse_details
from pushd.model.user import User
from pushd.store.database import Database
from pushd.store.rows import maybe_id, maybe_text, maybe_time, time_text

_SELECT = "SELECT audit.*, outcome, details, ended_at FROM audit LEFT JOIN audit_ends USING (seq)"


class Audit:
    """Tables `audit` and `audit_ends`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def begin(self, user: User, *, action: str, source: str, app: App | None = None) -> int:
        """Note what is about to be done; gives what `end` wants. On disk when this returns. Raises: DiskFull."""
        now = time_text(self._clock.now())

        def work(connection: sqlite3.Connection) -> int:
            values = (
                *(str(uuid4()), str(user.id), user.email, user.came_by or "password", source, action),
                *((None, None) if app is None else (str(app.id), app.name)),
                now,
            )
            connection.execute(
                "INSERT INTO audit (id, user_id, user_email, credential, source, action, app_id, app_name, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            return int(connection.execute("SELECT last_insert_rowid()").fetchone()[0])

        return await self._database.transact(work)

    async def end(self, seq: int, outcome: str, details: Mapping[str, Any]) -> None:
        """Note how it ended; fine to call twice, the first counts. Raises: DiskFull."""
        values = (seq, clean(outcome), json.dumps(parse_details(details), ensure_ascii=False), time_text(self._clock.now()))

        def work(connection: sqlite3.Connection) -> None:
            if connection.execute("SELECT 1 FROM audit_ends WHERE seq = ?", (seq,)).fetchone() is None:
                connection.execute("INSERT INTO audit_ends VALUES (?, ?, ?, ?)", values)

        await self._database.transact(work)

    async def newest(self, limit: int, *, app_id: UUID | None = None, before: int | None = None) -> list[Deed]:
        """Newest first; of one app, or of all and of none; those before the entry of that number."""
        values = {"app": maybe_text(app_id), "before": before, "limit": limit}
        query = f"""
            {_SELECT}
            WHERE (:app IS NULL OR app_id = :app) AND (:before IS NULL OR audit.seq < :before)
            ORDER BY audit.seq DESC LIMIT :limit
        """

        def work(connection: sqlite3.Connection) -> list[Deed]:
            return [_deed(row) for row in connection.execute(query, values)]

        return await self._database.read(work)


def _deed(row: sqlite3.Row) -> Deed:
    return Deed(
        seq=row["seq"],
        id=UUID(row["id"]),
        user_id=UUID(row["user_id"]),
        user_email=row["user_email"],
        credential=row["credential"],
        source=row["source"],
        action=row["action"],
        app_id=maybe_id(row["app_id"]),
        app_name=row["app_name"],
        created_at=datetime.fromisoformat(row["created_at"]),
        ended_at=maybe_time(row["ended_at"]),
        outcome=row["outcome"],
        details=json.loads(row["details"] or "{}"),
    )
