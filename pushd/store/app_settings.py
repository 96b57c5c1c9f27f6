"""Per-app settings that were set; defaults and rules are `model/app_settings.py`'s."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from pushd.model.app import App
from pushd.model.app_settings import AppSettings, check_setting
from pushd.store.database import Database
from pushd.store.rows import check_app_there


class AppSettingsTable:
    """Table `app_settings`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, app: App) -> AppSettings:
        """The effective ones."""
        return await self._database.read(lambda connection: _select(connection, app))

    async def set(self, app: App, changes: Mapping[str, str | None]) -> AppSettings:
        """Text sets, None goes back to the default; all or nothing.

        Raises: NotFound for an unknown setting or when the app is gone, InvalidParams for a value that does not fit.
        """
        for name, text in changes.items():
            check_setting(name, text)

        def work(connection: sqlite3.Connection) -> AppSettings:
            check_app_there(connection, app)
            for name, text in changes.items():
                if text is None:
                    connection.execute("DELETE FROM app_settings WHERE app_id = ? AND name = ?", (str(app.id), name))
                else:
                    connection.execute("INSERT OR REPLACE INTO app_settings VALUES (?, ?, ?)", (str(app.id), name, text))
            return _select(connection, app)

        return await self._database.transact(work)


def _select(connection: sqlite3.Connection, app: App) -> AppSettings:
    rows = connection.execute("SELECT name, value FROM app_settings WHERE app_id = ? ORDER BY name", (str(app.id),))
    return AppSettings({row["name"]: row["value"] for row in rows})
