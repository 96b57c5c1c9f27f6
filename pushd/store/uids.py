"""The number that an app has among the uids of apps; it outlives the app for as long as its files may be there."""

from __future__ import annotations

import sqlite3
from uuid import UUID

from pushd.store.database import Database

_HIGHEST = "SELECT coalesce(max(number), -1) + 1 FROM app_uids"
# The lowest that is free: after the highest there is room first, so that a number comes back as late as possible.
_GAP = """
SELECT min(candidate) FROM (SELECT 0 AS candidate UNION ALL SELECT number + 1 FROM app_uids)
WHERE candidate NOT IN (SELECT number FROM app_uids)
"""


class Uids:
    """Table `app_uids`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def number_of(self, app_id: UUID, *, below: int) -> int | None:
        """The app's own, given out now if it has none or one that is not `below`; None when all are taken."""

        def maybe_known(connection: sqlite3.Connection) -> int | None:
            row = connection.execute("SELECT number FROM app_uids WHERE app_id = ?", (str(app_id),)).fetchone()
            return int(row[0]) if row is not None and row[0] < below else None

        def work(connection: sqlite3.Connection) -> int | None:
            if (known := maybe_known(connection)) is not None:
                return known
            connection.execute("DELETE FROM app_uids WHERE app_id = ?", (str(app_id),))
            free: int = connection.execute(_HIGHEST).fetchone()[0]
            if free >= below:
                free = connection.execute(_GAP).fetchone()[0]
            if free >= below:
                return None
            connection.execute("INSERT INTO app_uids (app_id, number) VALUES (?, ?)", (str(app_id), free))
            return free

        known = await self._database.remembered(("uid", str(app_id), below), maybe_known)
        return known if known is not None else await self._database.transact(work)

    async def forget(self, app_id: UUID) -> None:
        """Nothing of the app is left: another one may get its number; fine if it has none."""
        await self._database.transact(
            lambda connection: connection.execute("DELETE FROM app_uids WHERE app_id = ?", (str(app_id),))
        )

    async def app_ids(self) -> list[UUID]:
        """All that have a number, apps that were destroyed too."""
        return await self._database.read(
            lambda connection: [UUID(row[0]) for row in connection.execute("SELECT app_id FROM app_uids ORDER BY number")]
        )
