"""Promotions: a record of each, with its targets."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from pushd.errors import NotFound
from pushd.kit.clock import Clock
from pushd.model.app import App
from pushd.model.pipeline import Pipeline, Promotion, PromotionTarget
from pushd.model.release import Release
from pushd.store.database import Database
from pushd.store.releases import maybe_release
from pushd.store.rows import check_app_there, maybe_id, maybe_text, not_found, parse_id, time_text

KEPT = 100  # of each pipeline


class Promotions:
    """Tables `promotions` and `promotion_targets`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, pipeline: Pipeline, source: App, release: Release, targets: Sequence[App]) -> Promotion:
        """A new one, nothing done yet; the pipeline's oldest beyond the newest 100 are forgotten. Raises: NotFound."""
        promotion_id, now = uuid4(), time_text(self._clock.now())

        def work(connection: sqlite3.Connection) -> Promotion:
            for app in (source, *targets):
                check_app_there(connection, app)
            values = (str(promotion_id), str(pipeline.id), str(source.id), str(release.id), now, now)
            connection.execute("INSERT INTO promotions VALUES (?, ?, ?, ?, ?, ?)", values)
            connection.executemany(
                "INSERT INTO promotion_targets (id, promotion_id, app_id) VALUES (?, ?, ?)",
                [(str(uuid4()), str(promotion_id), str(app.id)) for app in targets],
            )
            connection.execute(
                """
                DELETE FROM promotions WHERE pipeline_id = :pipeline AND id NOT IN (
                    SELECT id FROM promotions WHERE pipeline_id = :pipeline ORDER BY created_at DESC, rowid DESC LIMIT :kept)
                """,
                {"pipeline": str(pipeline.id), "kept": KEPT},
            )
            return _find(connection, str(promotion_id))

        return await self._database.transact(work)

    async def find(self, promotion_id: str | UUID) -> Promotion:
        """Raises: NotFound."""
        wanted = str(parse_id(promotion_id))
        return await self._database.read(lambda connection: _find(connection, wanted))

    async def note(
        self,
        target: PromotionTarget,
        *,
        slug_id: UUID | None = None,
        release_id: UUID | None = None,
        error: str | None = None,
    ) -> None:
        """Keep what has been reached or why it failed; None leaves it as it is. Fine if the target is gone."""
        values = (maybe_text(slug_id), maybe_text(release_id), error, str(target.id), str(target.promotion_id))
        now = time_text(self._clock.now())

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                """
                UPDATE promotion_targets
                SET slug_id = coalesce(?, slug_id), release_id = coalesce(?, release_id), error = coalesce(?, error)
                WHERE id = ? AND promotion_id = ?
                """,
                values,
            )
            connection.execute("UPDATE promotions SET updated_at = ? WHERE id = ?", (now, str(target.promotion_id)))

        await self._database.transact(work)

    async def unsettled(self) -> list[UUID]:
        """The targets that have neither a release nor an error."""

        def work(connection: sqlite3.Connection) -> list[UUID]:
            rows = connection.execute("SELECT id FROM promotion_targets WHERE release_id IS NULL AND error = ''")
            return [UUID(row["id"]) for row in rows]

        return await self._database.read(work)

    async def settle(self, target_ids: Sequence[UUID], error: str) -> None:
        """Find the releases of these targets that were made and not noted; what has none failed, with `error`."""
        ids = [(str(each),) for each in target_ids]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                """
                UPDATE promotion_targets
                SET release_id = (SELECT releases.id FROM releases
                                  WHERE releases.app_id = promotion_targets.app_id
                                  AND releases.slug_id = promotion_targets.slug_id ORDER BY number LIMIT 1)
                WHERE release_id IS NULL AND error = '' AND id = ?
                """,
                ids,
            )
            connection.executemany(
                "UPDATE promotion_targets SET error = ? WHERE release_id IS NULL AND error = '' AND id = ?",
                [(error, *each) for each in ids],
            )

        await self._database.transact(work)


def promotion_not_found() -> NotFound:
    return not_found("pipeline promotion", "The oldest are not kept.", resource="pipeline_promotion")


def _find(connection: sqlite3.Connection, promotion_id: str) -> Promotion:
    row = connection.execute("SELECT * FROM promotions WHERE id = ?", (promotion_id,)).fetchone()
    if row is None:
        raise promotion_not_found()
    targets = connection.execute("SELECT * FROM promotion_targets WHERE promotion_id = ? ORDER BY rowid", (promotion_id,))
    return Promotion(
        id=UUID(row["id"]),
        pipeline_id=UUID(row["pipeline_id"]),
        source_app_id=UUID(row["source_app_id"]),
        source_release_id=UUID(row["source_release_id"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
        targets=tuple(_target(connection, each) for each in targets.fetchall()),
    )


def _target(connection: sqlite3.Connection, row: sqlite3.Row) -> PromotionTarget:
    app_id, release_id = UUID(row["app_id"]), maybe_id(row["release_id"])
    return PromotionTarget(
        id=UUID(row["id"]),
        promotion_id=UUID(row["promotion_id"]),
        app_id=app_id,
        slug_id=maybe_id(row["slug_id"]),
        release_id=release_id,
        error=row["error"],
        release=None if release_id is None else maybe_release(connection, app_id, release_id),
    )
