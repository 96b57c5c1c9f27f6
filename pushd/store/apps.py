"""Apps. A new one has its first release from the start; a destroyed one takes all that is its own along."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from uuid import UUID, uuid4

from pushd.errors import Conflict, InvalidParams
from pushd.kit.clock import Clock
from pushd.model.app import App
from pushd.model.release import ReleaseStatus
from pushd.model.secret import Environ
from pushd.model.user import User
from pushd.store.cipher import Cipher
from pushd.store.database import Database
from pushd.store.releases import NewRelease, insert_release
from pushd.store.rows import app_not_found, maybe_time, parse_id, time_text

_SELECT = (
    "SELECT apps.*, users.email AS owner_email,"
    " (SELECT group_concat(user_id) FROM collaborators WHERE app_id = apps.id) AS collaborator_ids"
    " FROM apps JOIN users ON users.id = apps.owner_id"
)


class Apps:
    """Table `apps`."""

    def __init__(self, database: Database, cipher: Cipher, clock: Clock) -> None:
        self._database = database
        self._cipher = cipher
        self._clock = clock

    async def create(self, name: str, owner: User, *, at_most: int = 0) -> App:
        """A new app and its v1, "Initial release", which succeeded.

        Raises: InvalidParams for a taken name; Conflict when the owner has `at_most` apps already (0: there is no limit).
        """
        app_id, now = uuid4(), self._clock.now()
        first = NewRelease(
            slug_id=None,
            process_types={},
            config=Environ(),
            description="Initial release",
            user=owner,
            status=ReleaseStatus.SUCCEEDED,
            phase_passed=True,
        )

        def work(connection: sqlite3.Connection) -> App:
            if at_most:
                _check_below(connection, owner, at_most)
            _check_free(connection, name)
            connection.execute(
                "INSERT INTO apps (id, name, owner_id, created_at, updated_at) VALUES (?, ?, ?, ?, ?)",
                (str(app_id), name, str(owner.id), time_text(now), time_text(now)),
            )
            insert_release(connection, self._cipher, app_id, first, now)
            return _find(connection, app_id)

        return await self._database.transact(work)

    async def find(self, name_or_id: str | UUID) -> App:
        """Raises: NotFound. No name looks like an id: names are shorter."""

        def work(connection: sqlite3.Connection) -> App:
            app_id = parse_id(name_or_id)
            if app_id is not None:
                return _find(connection, app_id)
            row = connection.execute(f"{_SELECT} WHERE apps.name = ?", (name_or_id,)).fetchone()
            if row is None:
                raise app_not_found()
            return _app(row)

        return await self._database.remembered(("app", name_or_id), work)

    async def all(self) -> list[App]:
        """Sorted by name."""
        return await self._database.read(
            lambda connection: [_app(row) for row in connection.execute(f"{_SELECT} ORDER BY apps.name")]
        )

    async def rename(self, app: App, name: str) -> App:
        """Raises: InvalidParams for a taken name."""

        def work(connection: sqlite3.Connection) -> App:
            if _find(connection, app.id).name != name:
                _check_free(connection, name)
            return self._update(connection, app, "name = ?", name)

        return await self._database.transact(work)

    async def set_maintenance(self, app: App, on: bool) -> App:
        return await self._database.transact(lambda connection: self._update(connection, app, "maintenance = ?", int(on)))

    async def bump_restarts(self, app: App) -> App:
        """One more restart was asked for: the epoch is new, so every dyno gets replaced."""
        return await self._database.transact(lambda connection: self._update(connection, app, "restarts = restarts + 1"))

    async def set_sizes(self, app: App, *, repo_size_bytes: int | None = None, slug_size_bytes: int | None = None) -> App:
        """What is None stays as it is."""
        return await self._database.transact(
            lambda connection: self._update(
                connection,
                app,
                "repo_size_bytes = coalesce(?, repo_size_bytes), slug_size_bytes = coalesce(?, slug_size_bytes)",
                repo_size_bytes,
                slug_size_bytes,
            )
        )

    async def set_released(self, app: App, at: datetime | None = None) -> App:
        """A release went live, now or at the given time."""
        moment = time_text(at or self._clock.now())
        return await self._database.transact(lambda connection: self._update(connection, app, "released_at = ?", moment))

    async def delete(self, app: App) -> None:
        """Forget the app with its releases, slugs, builds and settings; fine if it is gone already."""
        await self._database.transact(lambda connection: connection.execute("DELETE FROM apps WHERE id = ?", (str(app.id),)))

    def _update(self, connection: sqlite3.Connection, app: App, columns: str, *values: str | int | None) -> App:
        """Raises: NotFound when the app was destroyed meanwhile."""
        connection.execute(
            f"UPDATE apps SET {columns}, updated_at = ? WHERE id = ?",
            (*values, time_text(self._clock.now()), str(app.id)),
        )
        return _find(connection, app.id)


def _check_below(connection: sqlite3.Connection, owner: User, at_most: int) -> None:
    count: int = connection.execute("SELECT count(*) FROM apps WHERE owner_id = ?", (str(owner.id),)).fetchone()[0]
    if count >= at_most:
        raise Conflict(
            f"You have {count} apps, and a user of this server may have {at_most}.",
            remedy="Destroy one that nobody needs, or have the operator raise apps_per_user.",
        )


def _check_free(connection: sqlite3.Connection, name: str) -> None:
    if connection.execute("SELECT 1 FROM apps WHERE name = ?", (name,)).fetchone():
        raise InvalidParams(f"Name {name} is already taken", remedy="Pick another name, or leave it out and get one made up.")


def _find(connection: sqlite3.Connection, app_id: UUID) -> App:
    row = connection.execute(f"{_SELECT} WHERE apps.id = ?", (str(app_id),)).fetchone()
    if row is None:
        raise app_not_found()
    return _app(row)


def _app(row: sqlite3.Row) -> App:
    return App(
        id=UUID(row["id"]),
        name=row["name"],
        owner_id=UUID(row["owner_id"]),
        owner_email=row["owner_email"],
        maintenance=bool(row["maintenance"]),
        restarts=row["restarts"],
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
        released_at=maybe_time(row["released_at"]),
        repo_size_bytes=row["repo_size_bytes"],
        slug_size_bytes=row["slug_size_bytes"],
        collaborator_ids=frozenset(UUID(each) for each in (row["collaborator_ids"] or "").split(",") if each),
    )
