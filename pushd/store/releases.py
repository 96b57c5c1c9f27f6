"""Releases, each with its own encrypted copy of the config vars; the newest copy is the app's."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from pushd.errors import Conflict, InvalidParams, NotFound
from pushd.kit.clock import Clock
from pushd.model.app import App
from pushd.model.release import MOVES, Release, ReleaseEvent, ReleaseStatus, parse_release_number
from pushd.model.secret import Environ
from pushd.model.user import User
from pushd.store.cipher import Cipher, Sealed
from pushd.store.database import Database
from pushd.store.formation import insert_missing
from pushd.store.rows import check_app_there, mapping, mapping_text, maybe_id, maybe_text, not_found, parse_id, time_text

_COLUMNS = """
    SELECT releases.id, app_id, number, slug_id, process_types, description, status, phase_passed, has_output,
           user_id, users.email AS user_email, releases.created_at, releases.updated_at
    FROM releases JOIN users ON users.id = releases.user_id
"""

_SPARE = """
    SELECT id FROM releases AS spare
    WHERE app_id = :app AND status <> 'pending'
      AND number <= (SELECT max(number) FROM releases WHERE app_id = :app) - :keep
      AND number <> (SELECT max(number) FROM releases WHERE app_id = :app AND status = 'succeeded')
      AND NOT (slug_id IS NOT NULL AND status = 'succeeded' AND NOT EXISTS (
          SELECT 1 FROM releases AS newer
          WHERE newer.slug_id = spare.slug_id AND newer.status = 'succeeded' AND newer.number > spare.number))
      AND number <> coalesce((SELECT max(number) FROM releases WHERE app_id = :app AND slug_id IS NOT NULL), 0)
      AND NOT EXISTS (SELECT 1 FROM promotion_targets WHERE release_id = spare.id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRelease:
    """What the caller decides of a release; id, number and times follow."""

    slug_id: UUID | None
    process_types: Mapping[str, str]
    config: Mapping[str, str] | None  # None: the newest of the app
    description: str
    user: User
    status: ReleaseStatus
    phase_passed: bool


class Releases:
    """Table `releases`."""

    def __init__(self, database: Database, cipher: Cipher, clock: Clock) -> None:
        self._database = database
        self._cipher = cipher
        self._clock = clock

    async def create(
        self,
        app: App,
        *,
        slug_id: UUID | None,
        process_types: Mapping[str, str],
        config: Mapping[str, str] | None,
        description: str,
        user: User,
        status: ReleaseStatus = ReleaseStatus.PENDING,
        phase_passed: bool = False,
        formation: Mapping[str, int] | None = None,
    ) -> Release:
        """The app's next release; `config` becomes its newest config vars (None: they stay as they are then).

        `formation` gives quantities for process types that have none yet, in the same transaction.
        Raises: NotFound when app or slug are gone.
        """
        new = NewRelease(
            slug_id=slug_id,
            process_types=process_types,
            config=config,
            description=description,
            user=user,
            status=status,
            phase_passed=phase_passed,
        )
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> Release:
            check_app_there(connection, app)
            release = insert_release(connection, self._cipher, app.id, new, now)
            insert_missing(connection, app, formation or {}, now)
            return release

        return await self._database.transact(work)

    async def find(self, app: App, id_or_number: str | int | UUID) -> Release:
        """By id, 12, "12" or "v12". Raises: NotFound."""

        def work(connection: sqlite3.Connection) -> Release:
            release_id = None if isinstance(id_or_number, int) else parse_id(id_or_number)
            if release_id is not None:
                return _find(connection, app.id, release_id)
            row = connection.execute(
                f"{_COLUMNS} WHERE app_id = ? AND number = ?", (str(app.id), _number(id_or_number))
            ).fetchone()
            if row is None:
                raise _no_such_release()
            return _release(row)

        return await self._database.read(work)

    async def latest(self, app: App) -> Release:
        """The one with the highest number, whatever became of it. Raises: NotFound when the app is gone."""
        found = await self.list(app, limit=1)
        if not found:
            raise _no_such_release()
        return found[0]

    async def maybe_current(self, app: App) -> Release | None:
        """The newest that succeeded: what runs, and what a restarted daemon boots."""
        return await self._maybe_newest(app, "status = 'succeeded'")

    async def maybe_newest_built(self, app: App) -> Release | None:
        """The newest that has a slug, whatever became of it."""
        return await self._maybe_newest(app, "slug_id IS NOT NULL")

    async def _maybe_newest(self, app: App, condition: str) -> Release | None:
        def work(connection: sqlite3.Connection) -> Release | None:
            row = connection.execute(
                f"{_COLUMNS} WHERE app_id = ? AND {condition} ORDER BY number DESC LIMIT 1", (str(app.id),)
            ).fetchone()
            return None if row is None else _release(row)

        return await self._database.remembered(("newest release", app.id, condition), work)

    async def pending(self) -> list[Release]:
        """Of all apps, oldest first: what a daemon that died left half done."""

        def work(connection: sqlite3.Connection) -> list[Release]:
            rows = connection.execute(f"{_COLUMNS} WHERE status = 'pending' ORDER BY releases.created_at, app_id, number")
            return [_release(row) for row in rows]

        return await self._database.read(work)

    async def config_vars(self, release: Release) -> Environ:
        """Its own copy, sorted by name. Raises: NotFound, WrongKey."""

        def work(connection: sqlite3.Connection) -> Environ:
            row = connection.execute("SELECT config FROM releases WHERE id = ?", (str(release.id),)).fetchone()
            if row is None:
                raise _no_such_release()
            return self._cipher.unseal(row["config"], purpose=_purpose(release.id))

        return await self._database.read(work)

    async def newest_config_vars(self, app: App) -> Environ:
        """Those of the highest number, whether or not it came up. Raises: NotFound, WrongKey."""
        return await self._database.read(lambda connection: _newest_config(connection, self._cipher, app.id))

    async def move(self, release: Release, event: ReleaseEvent) -> Release:
        """The release after `event`. Raises: Conflict for a move that its table does not have, NotFound."""

        def work(connection: sqlite3.Connection) -> Release:
            status = _find(connection, release.app_id, release.id).status
            moved = MOVES.get((status, event))
            if moved is None:
                raise Conflict(f"Release {release.name} is {status}: it cannot have {event} now.")
            return self._update(connection, release, "status = ?", moved.value)

        return await self._database.transact(work)

    async def set_phase_passed(self, release: Release) -> Release:
        """Its release phase exited with 0."""
        return await self._database.transact(lambda connection: self._update(connection, release, "phase_passed = 1"))

    async def set_has_output(self, release: Release) -> Release:
        """A release phase runs: there is output to read."""
        return await self._database.transact(lambda connection: self._update(connection, release, "has_output = 1"))

    async def prune(self, app: App, keep: int) -> list[UUID]:
        """Forget all but the newest `keep`; gives the ids of the forgotten.

        Never forgotten are: what waits to boot, the newest that succeeded, the newest of each slug that is kept, so that every
        such slug can be rolled back to, and those that a promotion tells of.
        """

        def work(connection: sqlite3.Connection) -> list[UUID]:
            rows = connection.execute(_SPARE, {"app": str(app.id), "keep": keep}).fetchall()
            for row in rows:
                connection.execute("UPDATE builds SET release_id = NULL WHERE release_id = ?", (row["id"],))
                connection.execute("DELETE FROM releases WHERE id = ?", (row["id"],))
            return [UUID(row["id"]) for row in rows]

        return await self._database.transact(work)

    def _update(self, connection: sqlite3.Connection, release: Release, columns: str, *values: str) -> Release:
        connection.execute(
            f"UPDATE releases SET {columns}, updated_at = ? WHERE id = ?",
            (*values, time_text(self._clock.now()), str(release.id)),
        )
        return _find(connection, release.app_id, release.id)

    async def list(self, app: App, *, newest_first: bool = True, limit: int | None = None) -> list[Release]:
        """By number."""
        order = "DESC" if newest_first else "ASC"

        def work(connection: sqlite3.Connection) -> list[Release]:
            rows = connection.execute(
                f"{_COLUMNS} WHERE app_id = ? ORDER BY number {order} LIMIT ?",
                (str(app.id), -1 if limit is None else limit),
            )
            return [_release(row) for row in rows]

        return await self._database.read(work)


def insert_release(connection: sqlite3.Connection, cipher: Cipher, app_id: UUID, new: NewRelease, now: datetime) -> Release:
    """Number it one above the app's highest, and store it with its copy of the config vars."""
    release_id = uuid4()
    config = _newest_config(connection, cipher, app_id) if new.config is None else new.config
    _check_slug_there(connection, app_id, new.slug_id)
    connection.execute(
        """
        INSERT INTO releases (id, app_id, number, slug_id, process_types, config, description, status, phase_passed,
                              user_id, created_at, updated_at)
        VALUES (?, ?, (SELECT coalesce(max(number), 0) + 1 FROM releases WHERE app_id = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            *(str(release_id), str(app_id), str(app_id), maybe_text(new.slug_id), mapping_text(new.process_types)),
            *(cipher.seal(config, purpose=_purpose(release_id)), new.description, new.status.value),
            *(int(new.phase_passed), str(new.user.id), time_text(now), time_text(now)),
        ),
    )
    return _find(connection, app_id, release_id)


def _newest_config(connection: sqlite3.Connection, cipher: Cipher, app_id: UUID) -> Environ:
    row = connection.execute(
        "SELECT id, config FROM releases WHERE app_id = ? ORDER BY number DESC LIMIT 1", (str(app_id),)
    ).fetchone()
    if row is None:
        raise _no_such_release()
    return cipher.unseal(row["config"], purpose=_purpose(row["id"]))


def _purpose(release_id: UUID | str) -> str:
    return f"config vars of release {release_id}"


def _check_slug_there(connection: sqlite3.Connection, app_id: UUID, slug_id: UUID | None) -> None:
    values = (str(app_id), maybe_text(slug_id))
    if slug_id and not connection.execute("SELECT 1 FROM slugs WHERE app_id = ? AND id = ?", values).fetchone():
        raise not_found("slug", remedy="It may no longer be kept; push its commit again.")


def maybe_release(connection: sqlite3.Connection, app_id: UUID, release_id: UUID) -> Release | None:
    row = connection.execute(f"{_COLUMNS} WHERE app_id = ? AND releases.id = ?", (str(app_id), str(release_id))).fetchone()
    return None if row is None else _release(row)


def _find(connection: sqlite3.Connection, app_id: UUID, release_id: UUID) -> Release:
    found = maybe_release(connection, app_id, release_id)
    if found is None:
        raise _no_such_release()
    return found


def _number(text: str | int | UUID) -> int:
    try:
        return parse_release_number(str(text))
    except InvalidParams:
        raise _no_such_release() from None


def _no_such_release() -> NotFound:
    return not_found("release", remedy="`pushd releases` lists those there are.")


def _release(row: sqlite3.Row) -> Release:
    return Release(
        id=UUID(row["id"]),
        app_id=UUID(row["app_id"]),
        number=row["number"],
        slug_id=maybe_id(row["slug_id"]),
        process_types=mapping(row["process_types"]),
        description=row["description"],
        status=ReleaseStatus(row["status"]),
        phase_passed=bool(row["phase_passed"]),
        has_output=bool(row["has_output"]),
        user_id=UUID(row["user_id"]),
        user_email=row["user_email"],
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )


SEALED = Sealed("releases", "config", _purpose)
