"""Accounts as admins see them: made, invited, removed. `users.py` has what every log-in asks."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from uuid import UUID

from pushd.errors import Conflict, InvalidParams, NotFound
from pushd.kit.clock import Clock
from pushd.model.user import Account, User
from pushd.store.database import Database
from pushd.store.rows import maybe_time, not_found, time_text
from pushd.store.users import check_stands, hash_of_token, insert_user, new_token, select_user, user_of

INVITATION_LIFE = timedelta(days=7)
_SELECT = (
    "SELECT users.*, invitations.expires_at AS invited_until,"
    " (SELECT count(*) FROM apps WHERE owner_id = users.id) AS app_count"
    " FROM users LEFT JOIN invitations ON invitations.user_id = users.id WHERE removed_at IS NULL"
)


class Accounts:
    """Tables `users` and `invitations`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def all(self) -> list[Account]:
        """By address."""
        query = f"{_SELECT} ORDER BY users.email"
        return await self._database.read(lambda connection: [self._account(row) for row in connection.execute(query)])

    async def find(self, which: str) -> Account:
        """By e-mail address or id. Raises: NotFound."""
        return await self._database.read(lambda connection: self._find(connection, which))

    async def add(self, email: str, *, is_admin: bool, by: User) -> tuple[Account, str]:
        """A new account, or one that was removed, and the invitation to it.

        Raises: InvalidParams for one that is there; Unauthorized, Forbidden if `by` is no admin any more.
        """
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> tuple[Account, str]:
            check_stands(connection, by, now)
            if select_user(connection, "email = ?", (email,)) is not None:
                raise InvalidParams(
                    f"{email} has an account already.", remedy=f"`pushd users:invite {email}` invites them again."
                )
            user_id = insert_user(connection, email, time_text(now))
            connection.execute("UPDATE users SET is_admin = ? WHERE id = ?", (int(is_admin), str(user_id)))
            return self._invite(connection, user_id)

        return await self._database.transact(work)

    async def invite(self, user: User, *, ends_tokens: bool = False, by: User) -> tuple[Account, str]:
        """An invitation in place of the last one, if there was one: with it the user sets a new password, once.

        With `ends_tokens` all their ways in end now: password, SSH keys and tokens, that of admin.token excepted.
        Raises: NotFound; Unauthorized, Forbidden if `by` is no admin any more.
        """

        def work(connection: sqlite3.Connection) -> tuple[Account, str]:
            check_stands(connection, by, self._clock.now())
            self._find(connection, str(user.id))
            if ends_tokens:
                connection.execute("DELETE FROM authorizations WHERE user_id = ? AND from_file = 0", (str(user.id),))
                connection.execute("DELETE FROM ssh_keys WHERE user_id = ?", (str(user.id),))
                connection.execute("UPDATE users SET password_hash = NULL WHERE id = ?", (str(user.id),))
            return self._invite(connection, user.id)

        return await self._database.transact(work)

    async def find_invited(self, token: str) -> User:
        """Whose invitation it is. Raises: NotFound for one that cannot be used."""
        return await self._database.read(lambda connection: self._invited(connection, token))

    async def redeem(self, token: str, password_hash: str) -> User:
        """Whose invitation it was: the password is theirs now. Raises: NotFound for one that was used, replaced or is old."""

        def work(connection: sqlite3.Connection) -> User:
            user = self._invited(connection, token)
            connection.execute("DELETE FROM invitations WHERE user_id = ?", (str(user.id),))
            self._set_password(connection, user, password_hash)
            return user

        return await self._database.transact(work)

    async def set_password(self, user: User, password_hash: str, *, instead_of: str | None) -> None:
        """`instead_of`: what is stored of the one that they proved to know, None if there was none.

        Raises: Conflict if it is another one now, Unauthorized when what they came with is gone.
        """

        def work(connection: sqlite3.Connection) -> None:
            check_stands(connection, user, self._clock.now())
            row = connection.execute("SELECT password_hash FROM users WHERE id = ?", (str(user.id),)).fetchone()
            if row["password_hash"] != instead_of:
                raise Conflict("Your password was changed meanwhile.", remedy="Try again with the one that holds now.")
            self._set_password(connection, user, password_hash)

        await self._database.transact(work)

    async def set_admin(self, user: User, is_admin: bool, *, by: User) -> Account:
        """Raises: NotFound; InvalidParams for the operator, who is one anyway; Unauthorized, Forbidden if `by` is none now."""

        def work(connection: sqlite3.Connection) -> Account:
            check_stands(connection, by, self._clock.now())
            _check_no_operator(self._find(connection, str(user.id)))
            values = (int(is_admin), time_text(self._clock.now()), str(user.id))
            connection.execute("UPDATE users SET is_admin = ?, updated_at = ? WHERE id = ?", values)
            return self._find(connection, str(user.id))

        return await self._database.transact(work)

    async def remove(self, user: User, heir: User | None = None, *, by: User) -> Account:
        """Gives what it was. Tokens, keys, password and access to apps end; what they own goes to the heir.

        The row stays for the releases and builds that name it. Raises: NotFound; InvalidParams for the operator; Conflict if
        they own something and there is no heir, or if the heir has a pipeline of the same name; Unauthorized, Forbidden if
        `by` is no admin any more: what an heir gets is a way in.
        """
        moment = self._clock.now()
        now = time_text(moment)

        def work(connection: sqlite3.Connection) -> Account:
            check_stands(connection, by, moment)
            account = self._find(connection, str(user.id))
            _check_no_operator(account)
            if heir is not None and heir.id != user.id:
                self._find(connection, str(heir.id))
                _bequeath(connection, user, heir)
            _check_owns_nothing(connection, user)
            for table in ("authorizations", "collaborators", "ssh_keys", "invitations"):
                connection.execute(f"DELETE FROM {table} WHERE user_id = ?", (str(user.id),))
            connection.execute(
                "UPDATE users SET removed_at = ?1, updated_at = ?1, password_hash = NULL, is_admin = 0 WHERE id = ?2",
                (now, str(user.id)),
            )
            return account

        return await self._database.transact(work)

    def _find(self, connection: sqlite3.Connection, which: str) -> Account:
        row = connection.execute(f"{_SELECT} AND (users.email = ?1 OR users.id = lower(?1))", (which,)).fetchone()
        if row is None:
            raise not_found("user", remedy="`pushd users` lists who has an account.")
        return self._account(row)

    def _account(self, row: sqlite3.Row) -> Account:
        until = maybe_time(row["invited_until"])
        return Account(
            user=user_of(row),
            has_password=row["password_hash"] is not None,
            invited_until=until if until is not None and until > self._clock.now() else None,
            app_count=row["app_count"],
        )

    def _invite(self, connection: sqlite3.Connection, user_id: UUID) -> tuple[Account, str]:
        token, now = new_token(), self._clock.now()
        connection.execute(
            "INSERT OR REPLACE INTO invitations (user_id, token_hash, created_at, expires_at) VALUES (?, ?, ?, ?)",
            (str(user_id), hash_of_token(token), time_text(now), time_text(now + INVITATION_LIFE)),
        )
        return self._find(connection, str(user_id)), token

    def _invited(self, connection: sqlite3.Connection, token: str) -> User:
        row = connection.execute("SELECT * FROM invitations WHERE token_hash = ?", (hash_of_token(token),)).fetchone()
        user = None if row is None else select_user(connection, "id = ?", (row["user_id"],))
        if user is None or datetime.fromisoformat(row["expires_at"]) <= self._clock.now():
            raise NotFound(
                "This invitation is not valid, or not any more.",
                resource="password_reset",
                remedy="Ask an admin of this server for another: `pushd users:invite` makes one.",
            )
        return user

    def _set_password(self, connection: sqlite3.Connection, user: User, password_hash: str) -> None:
        values = (password_hash, time_text(self._clock.now()), str(user.id))
        connection.execute("UPDATE users SET password_hash = ?, updated_at = ? WHERE id = ?", values)


def _check_no_operator(account: Account) -> None:
    if account.user.is_operator:
        raise InvalidParams(
            f"{account.user.email} is the account of the server itself: it stays, and is an admin.",
            remedy="`pushd users` lists the others.",
        )


def _bequeath(connection: sqlite3.Connection, user: User, heir: User) -> None:
    """Apps and pipelines of the one are the other's; who owns an app is no collaborator on it."""
    same = connection.execute(
        "SELECT name FROM pipelines WHERE owner_id = ? AND name IN (SELECT name FROM pipelines WHERE owner_id = ?)",
        (str(user.id), str(heir.id)),
    ).fetchone()
    if same is not None:
        raise Conflict(
            f"Both {user.email} and {heir.email} have a pipeline called {same['name']}.",
            remedy="Rename one with `pushd pipelines:rename`, then try again.",
        )
    connection.execute(
        "DELETE FROM collaborators WHERE user_id = ? AND app_id IN (SELECT id FROM apps WHERE owner_id = ?)",
        (str(heir.id), str(user.id)),
    )
    for table in ("apps", "pipelines"):
        connection.execute(f"UPDATE {table} SET owner_id = ? WHERE owner_id = ?", (str(heir.id), str(user.id)))


def _check_owns_nothing(connection: sqlite3.Connection, user: User) -> None:
    rows = connection.execute(
        "SELECT name FROM apps WHERE owner_id = ?1 UNION ALL SELECT name FROM pipelines WHERE owner_id = ?1 LIMIT 6",
        (str(user.id),),
    ).fetchall()
    if names := [row["name"] for row in rows]:
        shown = ", ".join(names[:5]) + (" and more" if len(names) > 5 else "")
        raise Conflict(
            f"{user.email} owns {shown}.",
            remedy=f"Say who gets it: `pushd users:remove {user.email} --apps-to EMAIL`, or destroy it first.",
        )
