"""With whom apps are shared. The owner is listed too, without a row of their own."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from uuid import UUID, uuid4, uuid5

from pushd.errors import InvalidParams
from pushd.kit.clock import Clock
from pushd.model.app import App
from pushd.model.collaborator import Collaborator
from pushd.model.user import User
from pushd.store.database import Database
from pushd.store.rows import check_app_there, not_found, time_text
from pushd.store.users import check_stands, insert_user, select_user

COLLABORATORS_PER_APP = 500
_SELECT = "SELECT collaborators.*, users.email FROM collaborators JOIN users ON users.id = collaborators.user_id"


class Collaborators:
    """Table `collaborators`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of(self, app: App) -> list[Collaborator]:
        """The owner, then the others by address."""
        return await self._database.read(lambda connection: _of(connection, app))

    async def find(self, app: App, which: str) -> Collaborator:
        """By e-mail address, by their id as a collaborator or as a user. Raises: NotFound."""
        return await self._database.read(lambda connection: _find(connection, app, which))

    async def add(self, app: App, email: str, *, known_only: bool = False, by: User) -> Collaborator:
        """Share the app with the user of that address; one who is not known yet gets an account, and cannot log in so far.

        Raises: InvalidParams for one who has access already or, if they must be known, is not; NotFound when the app is gone;
        Unauthorized, Forbidden when what `by` came with is.
        """
        moment = self._clock.now()
        now = time_text(moment)

        def work(connection: sqlite3.Connection) -> Collaborator:
            check_stands(connection, by, moment)
            check_app_there(connection, app)
            if known_only and select_user(connection, "email = ?", (email,)) is None:
                raise InvalidParams(
                    f"Nobody has an account as {email} here.",
                    remedy=f"Ask an admin of this server for one: `pushd users:add {email}`.",
                )
            user_id = insert_user(connection, email, now)
            there = _of(connection, app)
            if user_id in {each.user_id for each in there}:
                raise InvalidParams("User is already a collaborator on app.", remedy="`pushd access` lists who has access.")
            if len(there) > COLLABORATORS_PER_APP:
                raise InvalidParams(
                    f"An app can have {COLLABORATORS_PER_APP} collaborators.", remedy="Remove one with access:remove first."
                )
            values = (str(uuid4()), str(app.id), str(user_id), now, now)
            connection.execute("INSERT INTO collaborators VALUES (?, ?, ?, ?, ?)", values)
            return _find(connection, app, str(user_id))

        return await self._database.transact(work)

    async def remove(self, app: App, which: str) -> Collaborator:
        """Gives what they were. Raises: NotFound; InvalidParams for the owner."""

        def work(connection: sqlite3.Connection) -> Collaborator:
            found = _find(connection, app, which)
            if found.is_owner:
                raise InvalidParams(
                    f"{found.email} owns {app.name}, and an owner cannot be removed.",
                    remedy="Destroy the app if nobody needs it.",
                )
            connection.execute("DELETE FROM collaborators WHERE id = ?", (str(found.id),))
            return found

        return await self._database.transact(work)


def _of(connection: sqlite3.Connection, app: App) -> list[Collaborator]:
    owner = Collaborator(
        id=uuid5(app.id, f"collaborator/{app.owner_id}"),
        user_id=app.owner_id,
        email=app.owner_email,
        is_owner=True,
        created_at=app.created_at,
        updated_at=app.created_at,
    )
    rows = connection.execute(f"{_SELECT} WHERE app_id = ? ORDER BY users.email", (str(app.id),))
    return [owner, *(_collaborator(row) for row in rows)]


def _find(connection: sqlite3.Connection, app: App, which: str) -> Collaborator:
    for each in _of(connection, app):
        if which.lower() in (str(each.id), str(each.user_id), each.email.lower()):
            return each
    raise not_found("collaborator", remedy="`pushd access` lists who has access.")


def _collaborator(row: sqlite3.Row) -> Collaborator:
    return Collaborator(
        id=UUID(row["id"]),
        user_id=UUID(row["user_id"]),
        email=row["email"],
        is_owner=False,
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )
