"""Buildpacks that an app asks for, in their order; an app without any is built by what detects it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from pushd.model.app import App
from pushd.store.database import Database
from pushd.store.rows import check_app_there


class Buildpacks:
    """Table `buildpack_installations`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, app: App) -> tuple[str, ...]:
        """As `model.buildpack.parse_buildpack` gives them."""
        query = "SELECT url FROM buildpack_installations WHERE app_id = ? ORDER BY ordinal"
        return await self._database.read(
            lambda connection: tuple(row["url"] for row in connection.execute(query, (str(app.id),)))
        )

    async def set(self, app: App, urls: Sequence[str]) -> None:
        """These and no others. Raises: NotFound when the app is gone."""

        def work(connection: sqlite3.Connection) -> None:
            check_app_there(connection, app)
            connection.execute("DELETE FROM buildpack_installations WHERE app_id = ?", (str(app.id),))
            rows = [(str(app.id), ordinal, url) for ordinal, url in enumerate(urls)]
            connection.executemany("INSERT INTO buildpack_installations VALUES (?, ?, ?)", rows)

        await self._database.transact(work)
