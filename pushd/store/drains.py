"""Drains of apps. Their URLs are encrypted: most hold a password."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from uuid import UUID, uuid4

from pushd.errors import InvalidParams
from pushd.kit.clock import Clock
from pushd.model.app import App
from pushd.model.drain import DRAINS_PER_APP, Drain
from pushd.store.cipher import Cipher, Sealed
from pushd.store.database import Database
from pushd.store.rows import check_app_there, not_found, time_text


class Drains:
    """Table `drains`."""

    def __init__(self, database: Database, cipher: Cipher, clock: Clock) -> None:
        self._database = database
        self._cipher = cipher
        self._clock = clock

    async def of(self, app: App) -> list[Drain]:
        """Oldest first."""
        return await self._database.read(lambda connection: self._select(connection, app))

    async def find(self, app: App, which: str) -> Drain:
        """By URL, token or id. Raises: NotFound."""
        return await self._database.read(lambda connection: self._find(connection, app, which))

    async def add(self, app: App, url: str) -> Drain:
        """Raises: InvalidParams for one that is there, or one too many; NotFound when the app is gone."""
        drain_id, now = uuid4(), time_text(self._clock.now())
        sealed = self._cipher.seal({"url": url}, purpose=_purpose(drain_id))

        def work(connection: sqlite3.Connection) -> Drain:
            check_app_there(connection, app)
            there = self._select(connection, app)
            if any(drain.url == url for drain in there):
                raise InvalidParams("Url has already been taken", remedy="The app has this drain: `pushd drains` lists them.")
            if len(there) >= DRAINS_PER_APP:
                raise InvalidParams(
                    f"You can only add {DRAINS_PER_APP} drains to an app.", remedy="Remove one with drains:remove first."
                )
            values = (str(drain_id), str(app.id), sealed, f"d.{uuid4()}", now, now)
            connection.execute("INSERT INTO drains VALUES (?, ?, ?, ?, ?, ?)", values)
            return self._find(connection, app, str(drain_id))

        return await self._database.transact(work)

    async def remove(self, app: App, which: str) -> Drain:
        """By URL, token or id; gives what it was. Raises: NotFound."""

        def work(connection: sqlite3.Connection) -> Drain:
            found = self._find(connection, app, which)
            connection.execute("DELETE FROM drains WHERE id = ?", (str(found.id),))
            return found

        return await self._database.transact(work)

    def _select(self, connection: sqlite3.Connection, app: App) -> list[Drain]:
        rows = connection.execute("SELECT * FROM drains WHERE app_id = ? ORDER BY created_at, id", (str(app.id),))
        return [self._drain(row) for row in rows]

    def _find(self, connection: sqlite3.Connection, app: App, which: str) -> Drain:
        for drain in self._select(connection, app):
            if which in (drain.url, drain.token, str(drain.id)):
                return drain
        raise not_found("drain", resource="log_drain", remedy="`pushd drains` lists those of the app.")

    def _drain(self, row: sqlite3.Row) -> Drain:
        return Drain(
            id=UUID(row["id"]),
            app_id=UUID(row["app_id"]),
            url=self._cipher.unseal(row["url"], purpose=_purpose(row["id"]))["url"],
            token=row["token"],
            created_at=datetime.fromisoformat(row["created_at"]),
            updated_at=datetime.fromisoformat(row["updated_at"]),
        )


def _purpose(drain_id: UUID | str) -> str:
    return f"drain {drain_id}"


SEALED = Sealed("drains", "url", _purpose)
