"""The formation: how many dynos of each process type an app wants."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from uuid import UUID, uuid4

from pushd.kit.clock import Clock
from pushd.model.app import App
from pushd.model.formation import ProcessFormation
from pushd.model.resources import DEFAULT_SIZE
from pushd.store.database import Database
from pushd.store.resources import put_sizes
from pushd.store.rows import check_app_there, time_text


class Formation:
    """Table `formation`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of(self, app: App) -> list[ProcessFormation]:
        """Sorted by type."""

        def work(connection: sqlite3.Connection) -> tuple[ProcessFormation, ...]:
            rows = connection.execute("SELECT * FROM formation WHERE app_id = ? ORDER BY type", (str(app.id),))
            return tuple(_process_formation(row) for row in rows)

        return list(await self._database.remembered(("formation", app.id), work))

    async def quantities(self, app: App) -> dict[str, int]:
        """Wanted count of each process type, sorted by type."""
        return {row.type: row.quantity for row in await self.of(app)}

    async def set(self, app: App, quantities: Mapping[str, int], sizes: Mapping[str, str] = MappingProxyType({})) -> None:
        """Other types stay as they are. Raises: NotFound when the app is gone."""
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> None:
            insert_missing(connection, app, {**dict.fromkeys(sizes, 0), **quantities}, now)
            connection.executemany(
                "UPDATE formation SET quantity = :quantity, updated_at = :now"
                " WHERE app_id = :app AND type = :type AND quantity <> :quantity",
                [
                    {"quantity": quantity, "now": time_text(now), "app": str(app.id), "type": type_}
                    for type_, quantity in quantities.items()
                ],
            )
            put_sizes(connection, app, sizes)

        await self._database.transact(work)


def insert_missing(connection: sqlite3.Connection, app: App, quantities: Mapping[str, int], now: datetime) -> None:
    """Give a quantity to the types that have none."""
    check_app_there(connection, app)
    connection.executemany(
        "INSERT INTO formation VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (app_id, type) DO NOTHING",
        [
            (str(uuid4()), str(app.id), type_, quantity, DEFAULT_SIZE.name, time_text(now), time_text(now))
            for type_, quantity in quantities.items()
        ],
    )


def _process_formation(row: sqlite3.Row) -> ProcessFormation:
    return ProcessFormation(
        id=UUID(row["id"]),
        app_id=UUID(row["app_id"]),
        type=row["type"],
        quantity=row["quantity"],
        size=row["size"],
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )
