"""Builds: one record per attempt to deploy a commit or an archive. Their output lies in files."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from pushd.kit.clock import Clock
from pushd.model.app import App
from pushd.model.build import Build, BuildStatus
from pushd.model.source import Archive
from pushd.model.user import User
from pushd.store.database import Database
from pushd.store.rows import check_app_there, maybe_id, maybe_text, not_found, parse_id, time_text

_SELECT = "SELECT builds.*, users.email AS user_email FROM builds JOIN users ON users.id = builds.user_id"


class Builds:
    """Table `builds`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, app: App, *, user: User, commit: str, branch: str) -> Build:
        """A pending one of a push. Raises: NotFound when the app is gone."""
        return await self._insert(app, user, commit, branch, "", "", "")

    async def create_of_archive(self, app: App, archive: Archive, user: User) -> Build:
        """A pending one of an archive. Raises: NotFound when the app is gone."""
        return await self._insert(app, user, archive.version, "", archive.url, archive.checksum, archive.description)

    async def _insert(self, app: App, user: User, commit: str, branch: str, *source: str) -> Build:
        build_id, now = uuid4(), time_text(self._clock.now())
        values = (str(build_id), str(app.id), str(user.id), BuildStatus.PENDING.value, commit, branch, *source, now, now)

        def work(connection: sqlite3.Connection) -> Build:
            check_app_there(connection, app)
            connection.execute(
                """
                INSERT INTO builds (id, app_id, user_id, status, commit_id, branch, source_url, source_checksum, description,
                                    buildpacks, reason, created_at, updated_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '[]', '', ?, ?)
                """,
                values,
            )
            return _find(connection, app.id, build_id)

        return await self._database.transact(work)

    async def update(
        self,
        build: Build,
        *,
        status: BuildStatus | None = None,
        slug_id: UUID | None = None,
        release_id: UUID | None = None,
        reason: str | None = None,
        buildpacks: Sequence[str] | None = None,
    ) -> Build:
        """What is None stays as it is stored, whatever `build` says. Raises: NotFound when it is gone."""
        values = {
            "status": None if status is None else status.value,
            "slug_id": maybe_text(slug_id),
            "release_id": maybe_text(release_id),
            "reason": reason,
            "buildpacks": None if buildpacks is None else json.dumps(list(buildpacks), ensure_ascii=False),
            "now": time_text(self._clock.now()),
            "id": str(build.id),
        }

        def work(connection: sqlite3.Connection) -> Build:
            connection.execute(
                """
                UPDATE builds
                SET status = coalesce(:status, status), slug_id = coalesce(:slug_id, slug_id),
                    release_id = coalesce(:release_id, release_id), reason = coalesce(:reason, reason),
                    buildpacks = coalesce(:buildpacks, buildpacks), updated_at = :now
                WHERE id = :id
                """,
                values,
            )
            return _find(connection, build.app_id, build.id)

        return await self._database.transact(work)

    async def find(self, app: App, build_id: str | UUID) -> Build:
        """Raises: NotFound."""
        wanted = parse_id(build_id)
        if wanted is None:
            raise not_found("build", remedy="`pushd builds` lists those there are.")
        return await self._database.read(lambda connection: _find(connection, app.id, wanted))

    async def unsettled(self, app: App) -> list[Build]:
        """What a daemon that died left half done, oldest first: pending ones, and failed ones whose release is pending."""

        def work(connection: sqlite3.Connection) -> list[Build]:
            query = f"""
                {_SELECT} WHERE app_id = :app AND (status = 'pending' OR status = 'failed' AND release_id IN (
                    SELECT id FROM releases WHERE app_id = :app AND status = 'pending'))
                ORDER BY builds.created_at, builds.id
            """
            return [_build(row) for row in connection.execute(query, {"app": str(app.id)})]

        return await self._database.read(work)

    async def prune(self, app: App, keep: int) -> list[UUID]:
        """Forget all but the newest `keep`, pending ones never; gives the ids of the forgotten, oldest first."""

        def work(connection: sqlite3.Connection) -> list[UUID]:
            query = """
                SELECT id FROM builds WHERE app_id = :app AND status <> 'pending' AND id NOT IN (
                    SELECT id FROM builds WHERE app_id = :app ORDER BY created_at DESC, id LIMIT :keep)
                ORDER BY created_at, id DESC
            """
            dropped = [str(row["id"]) for row in connection.execute(query, {"app": str(app.id), "keep": keep})]
            connection.executemany("DELETE FROM builds WHERE id = ?", [(each,) for each in dropped])
            return [UUID(each) for each in dropped]

        return await self._database.transact(work)

    async def list(self, app: App) -> list[Build]:
        """Newest first."""

        def work(connection: sqlite3.Connection) -> list[Build]:
            query = f"{_SELECT} WHERE app_id = ? ORDER BY builds.created_at DESC, builds.id"
            return [_build(row) for row in connection.execute(query, (str(app.id),))]

        return await self._database.read(work)


def _find(connection: sqlite3.Connection, app_id: UUID, build_id: UUID) -> Build:
    row = connection.execute(f"{_SELECT} WHERE app_id = ? AND builds.id = ?", (str(app_id), str(build_id))).fetchone()
    if row is None:
        raise not_found("build", remedy="`pushd builds` lists those there are.")
    return _build(row)


def _build(row: sqlite3.Row) -> Build:
    return Build(
        id=UUID(row["id"]),
        app_id=UUID(row["app_id"]),
        user_id=UUID(row["user_id"]),
        user_email=row["user_email"],
        status=BuildStatus(row["status"]),
        commit=row["commit_id"],
        branch=row["branch"],
        source_url=row["source_url"],
        source_checksum=row["source_checksum"],
        description=row["description"],
        buildpacks=tuple(json.loads(row["buildpacks"])),
        slug_id=maybe_id(row["slug_id"]),
        release_id=maybe_id(row["release_id"]),
        reason=row["reason"],
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )
