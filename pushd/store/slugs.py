"""Slugs: the record of what builds made. The folders they name are the builder's."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from uuid import UUID

from pushd.errors import Conflict
from pushd.model.app import App
from pushd.model.slug import Slug, SlugState
from pushd.store.database import Database
from pushd.store.rows import app_not_found, mapping, mapping_text, not_found, parse_id, time_text

_CHECKSUM_PREFIX = "SHA256:"  # as the API shows it
_HAS_CHECKSUM = "(checksum = ? OR archive_checksum = ?)"


class Slugs:
    """Table `slugs`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, slug: Slug) -> Slug:
        """Raises: NotFound when its app is gone."""
        values = (
            *(str(slug.id), str(slug.app_id), slug.checksum, slug.environment, slug.commit, slug.commit_description),
            *(mapping_text(slug.process_types), slug.buildpack_description, slug.size_bytes, time_text(slug.created_at)),
            *(slug.state.value, slug.archive_checksum),
        )

        def work(connection: sqlite3.Connection) -> Slug:
            if not connection.execute("SELECT 1 FROM apps WHERE id = ?", (str(slug.app_id),)).fetchone():
                raise app_not_found()
            connection.execute("INSERT INTO slugs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            return slug

        return await self._database.transact(work)

    async def fill(self, slug: Slug) -> Slug:
        """Its files have come: what is stored of them now is `slug`'s.

        Raises: Conflict when others came first, for a slug never changes then; NotFound when it is gone.
        """
        values = (slug.checksum, slug.size_bytes, slug.state.value, str(slug.app_id), str(slug.id))

        def work(connection: sqlite3.Connection) -> Slug:
            changed = connection.execute(
                "UPDATE slugs SET checksum = ?, size_bytes = ?, state = ? WHERE app_id = ? AND id = ? AND state = 'awaited'",
                values,
            )
            if changed.rowcount:
                return slug
            if connection.execute("SELECT 1 FROM slugs WHERE id = ?", (str(slug.id),)).fetchone():
                raise Conflict("This slug has its archive already.", remedy="Make another slug for another archive.")
            raise not_found("slug", remedy="Make another, and upload it within the hour.")

        return await self._database.transact(work)

    async def find(self, app: App, id_or_checksum: str | UUID) -> Slug:
        """By id, checksum or "SHA256:<checksum>"; the newest of several. Raises: NotFound."""
        slug_id = parse_id(id_or_checksum)
        if slug_id is not None:
            found = await self._database.read(lambda connection: _select(connection, app, "id = ?", str(slug_id)))
        else:
            found = await self._by_checksum(app, str(id_or_checksum).removeprefix(_CHECKSUM_PREFIX))
        if not found:
            raise not_found("slug", remedy="It may no longer be kept; push its commit again.")
        return found[0]

    async def delete(self, slug: Slug) -> None:
        """Forget it; releases that had it keep their place and can no longer be rolled back to. Fine if it is gone.

        Raises: Conflict when a pending release or the newest that succeeded needs it.
        """

        def work(connection: sqlite3.Connection) -> None:
            if _needed(connection, slug):
                raise Conflict(f"Cannot forget slug {slug.id}: a release that runs, or is about to, needs it.")
            connection.execute("UPDATE releases SET slug_id = NULL WHERE slug_id = ?", (str(slug.id),))
            connection.execute("UPDATE builds SET slug_id = NULL WHERE slug_id = ?", (str(slug.id),))
            connection.execute("DELETE FROM slugs WHERE id = ?", (str(slug.id),))

        await self._database.transact(work)

    async def checksums_in_use(self) -> frozenset[str]:
        """Of all apps: these folders must stay."""
        return await self._database.read(
            lambda connection: frozenset(
                row[0] for row in connection.execute("SELECT DISTINCT checksum FROM slugs WHERE checksum <> ''")
            )
        )

    async def environments_in_use(self, app_id: UUID) -> frozenset[str]:
        """Names of the environments that slugs of this app need."""
        query = "SELECT DISTINCT environment FROM slugs WHERE app_id = ? AND environment <> ''"
        return await self._database.read(
            lambda connection: frozenset(row[0] for row in connection.execute(query, (str(app_id),)))
        )

    async def is_kept(self, slug: Slug) -> bool:
        """Whether it is still here; its files are, as long as it is."""

        def work(connection: sqlite3.Connection) -> bool:
            return connection.execute("SELECT 1 FROM slugs WHERE id = ?", (str(slug.id),)).fetchone() is not None

        return await self._database.read(work)

    async def _by_checksum(self, app: App, checksum: str) -> list[Slug]:
        if not checksum:
            return []  # one that is awaited has none yet
        return await self._database.read(lambda connection: _select(connection, app, _HAS_CHECKSUM, checksum, checksum))

    async def list(self, app: App) -> list[Slug]:
        """Newest first."""
        return await self._database.read(lambda connection: _select(connection, app, "1"))


def _select(connection: sqlite3.Connection, app: App, where: str, *values: str) -> list[Slug]:
    rows = connection.execute(
        f"SELECT * FROM slugs WHERE app_id = ? AND {where} ORDER BY created_at DESC, id", (str(app.id), *values)
    )
    return [_slug(row) for row in rows]


def _needed(connection: sqlite3.Connection, slug: Slug) -> bool:
    row = connection.execute(
        """
        SELECT 1 FROM releases
        WHERE slug_id = :slug AND (status = 'pending' OR number = (
            SELECT max(number) FROM releases WHERE app_id = :app AND status = 'succeeded' AND slug_id IS NOT NULL))
        """,
        {"slug": str(slug.id), "app": str(slug.app_id)},
    ).fetchone()
    return row is not None


def _slug(row: sqlite3.Row) -> Slug:
    return Slug(
        id=UUID(row["id"]),
        app_id=UUID(row["app_id"]),
        checksum=row["checksum"],
        environment=row["environment"],
        commit=row["commit_id"],
        commit_description=row["commit_description"],
        process_types=mapping(row["process_types"]),
        buildpack_description=row["buildpack_description"],
        size_bytes=row["size_bytes"],
        created_at=datetime.fromisoformat(row["created_at"]),
        state=SlugState(row["state"]),
        archive_checksum=row["archive_checksum"],
    )
