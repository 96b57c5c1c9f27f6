"""What dynos and builds of an app may take; sizes and rules are `model/resources.py`'s."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from uuid import UUID

from pushd.model.app import App
from pushd.model.resources import BUILD, AppResources, check_figure
from pushd.store.database import Database
from pushd.store.rows import check_app_there


class ResourcesTable:
    """Table `resources`, and the sizes in table `formation`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, app: App) -> AppResources:
        """All that was set."""
        return await self._database.remembered(("resources", app.id), lambda connection: _select(connection, app.id))

    async def set(self, app: App, type: str, changes: Mapping[str, str | None]) -> bool:
        """Text sets, None goes back to what the size has; all or nothing. Gives whether dynos have to follow.

        Then the epoch of the app is a new one: whoever reads that replaces its dynos.
        Raises: NotFound for a limit that there is not or when the app is gone, InvalidParams for a value that does not fit.
        """
        for name, text in changes.items():
            check_figure(type, name, text)

        def work(connection: sqlite3.Connection) -> bool:
            check_app_there(connection, app)
            before = _select(connection, app.id)
            for name, text in changes.items():
                _put(connection, app, type, name, text)
            counts = type != BUILD and _select(connection, app.id).of_dyno(type) != before.of_dyno(type)
            follows = counts and type in before.sizes
            if follows:
                raise_epoch(connection, app)
            return follows

        return await self._database.transact(work)


def put_sizes(connection: sqlite3.Connection, app: App, sizes: Mapping[str, str]) -> None:
    """Of process types that have a row in the formation: each loses what was set of its memory, and the epoch is a new one."""
    before = _select(connection, app.id)
    for type, size in sizes.items():
        _put(connection, app, type, "memory", None)
        connection.execute("UPDATE formation SET size = ? WHERE app_id = ? AND type = ?", (size, str(app.id), type))
    after = _select(connection, app.id)
    if any(after.of_dyno(type) != before.of_dyno(type) for type in sizes):
        raise_epoch(connection, app)


def raise_epoch(connection: sqlite3.Connection, app: App) -> None:
    """Every dyno of the app is of an older one now, and gets replaced."""
    connection.execute("UPDATE apps SET restarts = restarts + 1 WHERE id = ?", (str(app.id),))


def _put(connection: sqlite3.Connection, app: App, type: str, name: str, text: str | None) -> None:
    key = (str(app.id), type, name)
    if text is None:
        connection.execute("DELETE FROM resources WHERE app_id = ? AND type = ? AND name = ?", key)
    else:
        connection.execute("INSERT OR REPLACE INTO resources VALUES (?, ?, ?, ?)", (*key, text))


def _select(connection: sqlite3.Connection, app_id: UUID) -> AppResources:
    sizes = connection.execute("SELECT type, size FROM formation WHERE app_id = ?", (str(app_id),)).fetchall()
    figures: dict[str, dict[str, str]] = {}
    for row in connection.execute("SELECT type, name, value FROM resources WHERE app_id = ?", (str(app_id),)):
        figures.setdefault(row["type"], {})[row["name"]] = row["value"]
    return AppResources({row["type"]: row["size"] for row in sizes}, figures)
