"""Users and their authorizations: who holds which token. Tokens themselves are never stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from pushd.errors import Conflict, Forbidden, NotFound, Unauthorized
from pushd.kit.clock import Clock
from pushd.model.app import App
from pushd.model.user import EVERYTHING, Authorization, Scope, User
from pushd.store.database import Database
from pushd.store.rows import check_app_there, maybe_id, maybe_text, maybe_time, not_found, parse_id, time_text

TOKEN_PREFIX = "pushd-"
_KEPT_AFTER_THEIR_END = timedelta(days=30)  # expired authorizations, so that one can see what has ended
_LISTED = "`pushd authorizations` lists yours."
_SELECT = "SELECT authorizations.*, apps.name AS app_name FROM authorizations LEFT JOIN apps ON apps.id = authorizations.app_id"
TOKEN_BYTES = 32  # so random that a plain SHA-256 is as good as a slow hash


def new_token() -> str:
    """A fresh secret; the only copy is the one that its holder gets."""
    return TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


class Users:
    """Table `users` and `authorizations`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def operator(self) -> User:
        """The one who may do everything. Raises: NotFound before `create_operator`."""
        found = await self._database.read(lambda connection: select_user(connection, "is_operator = 1", ()))
        if found is None:
            raise NotFound("There is no operator yet.", resource="account", remedy="`pushd serve` makes one at its start.")
        return found

    async def maybe_by_email(self, email: str) -> User | None:
        """Letter case of ASCII does not matter."""
        return await self._database.read(lambda connection: select_user(connection, "email = ?", (email,)))

    async def maybe_by_id(self, user_id: str | UUID) -> User | None:
        wanted = maybe_text(parse_id(user_id))
        return (
            None
            if wanted is None
            else await self._database.read(lambda connection: select_user(connection, "id = ?", (wanted,)))
        )

    async def password_of(self, email: str) -> tuple[User | None, str | None]:
        """The user of that address and the hash of their password; None and None for nobody."""

        def work(connection: sqlite3.Connection) -> tuple[User | None, str | None]:
            user = select_user(connection, "email = ?", (email,))
            row = (
                connection.execute("SELECT password_hash FROM users WHERE id = ?", (str(user.id),)).fetchone() if user else None
            )
            return user, row and row["password_hash"]

        return await self._database.read(work)

    async def by_token(self, token: str) -> User | None:
        """Whose token this is, and how far it reaches; None for an unknown or an expired one."""
        return await self.by_token_hash(hash_of_token(token))

    async def by_token_hash(self, wanted: bytes) -> User | None:
        """The same for who came with a token a while ago: None once it has ended."""

        def work(connection: sqlite3.Connection) -> tuple[User | None, str | None]:
            row = connection.execute("SELECT * FROM authorizations WHERE token_hash = ?", (wanted,)).fetchone()
            if row is None or not hmac.compare_digest(row["token_hash"], wanted):
                return None, None
            user = select_user(connection, "id = ?", (row["user_id"],))
            reach = {"scopes": _scopes(row["scope"]), "only_app_id": maybe_id(row["app_id"]), "token_hash": row["token_hash"]}
            reach["came_by"] = f"token {row['description']} ({row['token_hint']})"
            return user and replace(user, **reach), row["expires_at"]

        user, expires_at = await self._database.remembered(("token", wanted), work)
        return user if expires_at is None or expires_at > time_text(self._clock.now()) else None

    async def rename(self, user: User, name: str | None) -> User:
        """The name that a user goes by; None for none. Raises: NotFound."""
        now = time_text(self._clock.now())

        def work(connection: sqlite3.Connection) -> User:
            connection.execute("UPDATE users SET name = ?, updated_at = ? WHERE id = ?", (name, now, str(user.id)))
            found = select_user(connection, "id = ?", (str(user.id),))
            if found is None:
                raise not_found("account")
            return replace(user, name=found.name, updated_at=found.updated_at)

        return await self._database.transact(work)

    async def create_operator(self, email: str, token: str) -> User:
        """The operator, made if need be, with this address and with `token` as the one of admin.token.

        May run at every start: a token that admin.token held before is no longer valid, other authorizations stay.
        """
        now, wanted = time_text(self._clock.now()), hash_of_token(token)

        def work(connection: sqlite3.Connection) -> User:
            operator = select_user(connection, "is_operator = 1", ())
            if operator is None:
                connection.execute(
                    "INSERT INTO users (id, email, is_operator, created_at, updated_at) VALUES (?, ?, 1, ?, ?)",
                    (str(uuid4()), email, now, now),
                )
            elif operator.email != email and not _is_taken(connection, email):
                connection.execute("UPDATE users SET email = ?, updated_at = ? WHERE is_operator = 1", (email, now))
            found = select_user(connection, "is_operator = 1", ())
            assert found is not None
            connection.execute("DELETE FROM authorizations WHERE from_file = 1 AND token_hash <> ?", (wanted,))
            connection.execute(
                "INSERT INTO authorizations (id, user_id, description, token_hash, token_hint, from_file, created_at)"
                " VALUES (?, ?, 'admin.token', ?, ?, 1, ?) ON CONFLICT (token_hash) DO NOTHING",
                (str(uuid4()), str(found.id), wanted, _hint(token), now),
            )
            return found

        return await self._database.transact(work)

    async def authorizations(self, user: User) -> list[Authorization]:
        """Oldest first, expired ones too."""

        def work(connection: sqlite3.Connection) -> list[Authorization]:
            query = f"{_SELECT} WHERE authorizations.user_id = ? ORDER BY authorizations.created_at, authorizations.id"
            return [_authorization(row) for row in connection.execute(query, (str(user.id),))]

        return await self._database.read(work)

    async def find_authorization(self, user: User, authorization_id: str | UUID) -> Authorization:
        """One of this user's; `~` is the one that a file of the server holds. Raises: NotFound."""
        wanted = parse_id(authorization_id)
        for each in await self.authorizations(user):
            if each.id == wanted or (each.from_file and authorization_id == "~"):
                return each
        raise not_found("authorization", _LISTED)

    async def create_authorization(
        self,
        user: User,
        description: str,
        expires: datetime | None = None,
        *,
        scopes: frozenset[Scope] = EVERYTHING,
        app: App | None = None,
    ) -> tuple[Authorization, str]:
        """A new authorization, and its token: this is the only time that the token can be seen.

        With an `app` it reaches that one alone, and ends with it. Those of the user that ended a month ago are forgotten.
        Raises: NotFound when the app is gone; Unauthorized when the user is, or what they came with.
        """
        token, now = new_token(), self._clock.now()
        made = Authorization(
            id=uuid4(),
            user_id=user.id,
            description=description,
            token_hint=_hint(token),
            scopes=scopes,
            created_at=now,
            updated_at=now,
            expires_at=expires,
            app_id=None if app is None else app.id,
            app_name=None if app is None else app.name,
        )
        values = (
            *(str(made.id), str(user.id), description, hash_of_token(token), made.token_hint, time_text(now)),
            *(None if expires is None else time_text(expires), _scope_text(scopes), maybe_text(made.app_id)),
        )
        forgotten = (str(user.id), time_text(now - _KEPT_AFTER_THEIR_END))

        def work(connection: sqlite3.Connection) -> None:
            check_stands(connection, user, now)
            if app is not None:
                check_app_there(connection, app)
            connection.execute("DELETE FROM authorizations WHERE user_id = ? AND expires_at < ?", forgotten)
            connection.execute(
                "INSERT INTO authorizations"
                " (id, user_id, description, token_hash, token_hint, from_file, created_at, expires_at, scope, app_id)"
                " VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?)",
                values,
            )

        await self._database.transact(work)
        return made, token

    async def describe_authorization(self, user: User, authorization_id: str, description: str) -> Authorization:
        """Another description. Raises: NotFound; Conflict for the one of admin.token."""
        return await self._change(user, authorization_id, "description = ?", (description,))

    async def rotate(self, user: User, authorization_id: str) -> tuple[Authorization, str]:
        """Another token for the same authorization, and no longer the one before.

        Raises: NotFound; Conflict for the one of admin.token, which that file would no longer name; Unauthorized when what
        the user came with is gone.
        """
        token = new_token()
        values = (hash_of_token(token), _hint(token))
        return await self._change(user, authorization_id, "token_hash = ?, token_hint = ?", values), token

    async def _change(self, user: User, authorization_id: str, what: str, values: tuple[object, ...]) -> Authorization:
        now, wanted = self._clock.now(), maybe_text(parse_id(authorization_id))

        def work(connection: sqlite3.Connection) -> Authorization:
            check_stands(connection, user, now)
            connection.execute(
                f"UPDATE authorizations SET {what}, updated_at = ? WHERE id = ? AND user_id = ?",
                (*values, time_text(now), wanted, str(user.id)),
            )
            query = f"{_SELECT} WHERE authorizations.id = ? AND authorizations.user_id = ?"
            return _not_of_the_file(connection.execute(query, (wanted, str(user.id))).fetchone())

        return await self._database.transact(work)

    async def revoke(self, authorization_id: UUID) -> Authorization:
        """Its token is no longer valid; gives what it was.

        Raises: NotFound; Conflict for the one of admin.token, which the next start would bring back.
        """

        def work(connection: sqlite3.Connection) -> Authorization:
            row = connection.execute(f"{_SELECT} WHERE authorizations.id = ?", (str(authorization_id),)).fetchone()
            connection.execute("DELETE FROM authorizations WHERE id = ?", (str(authorization_id),))
            return _not_of_the_file(row)

        return await self._database.transact(work)


def _is_taken(connection: sqlite3.Connection, email: str) -> bool:
    return connection.execute("SELECT 1 FROM users WHERE email = ? AND is_operator = 0", (email,)).fetchone() is not None


def insert_user(connection: sqlite3.Connection, email: str, now: str) -> UUID:
    """The id of the user of that address; one who is not known is made, and one who was removed is there again.

    Neither can log in before they get an invitation.
    """
    if (found := select_user(connection, "email = ?", (email,))) is not None:
        return found.id
    row = connection.execute(
        "INSERT INTO users (id, email, is_operator, created_at, updated_at) VALUES (?1, ?2, 0, ?3, ?3)"
        " ON CONFLICT (email) DO UPDATE SET email = ?2, removed_at = NULL, updated_at = ?3 RETURNING id",
        (str(uuid4()), email, now),
    ).fetchone()
    return UUID(row["id"])


def check_stands(connection: sqlite3.Connection, by: User, now: datetime) -> None:
    """Return if what `by` came with still opens this server, and they are as much of an admin as then.

    For the transactions that make a way in: whoever ends all of somebody's ends this one too, or it is never made.
    Raises: Unauthorized, Forbidden.
    """
    row = connection.execute("SELECT * FROM users WHERE removed_at IS NULL AND id = ?", (str(by.id),)).fetchone()
    if row is None or not _still_opens(connection, row, by, now):
        raise Unauthorized("Invalid credentials provided.", remedy="Run `pushd login`: what you came with holds no more.")
    if by.is_admin and not user_of(row).is_admin:
        raise Forbidden("You are no admin of this server any more.", remedy="Ask one who is.")


def _still_opens(connection: sqlite3.Connection, row: sqlite3.Row, by: User, now: datetime) -> bool:
    if by.key_hash is not None:
        query = "SELECT 1 FROM ssh_keys WHERE key_hash = ? AND user_id = ?"
        return connection.execute(query, (by.key_hash, str(by.id))).fetchone() is not None
    if by.token_hash is not None:
        query = "SELECT 1 FROM authorizations WHERE token_hash = ? AND user_id = ? AND (expires_at IS NULL OR expires_at > ?)"
        return connection.execute(query, (by.token_hash, str(by.id), time_text(now))).fetchone() is not None
    return by.password_hash is None or by.password_hash == row["password_hash"]


def select_user(connection: sqlite3.Connection, where: str, values: Sequence[str]) -> User | None:
    """One who is there; those who were removed are not."""
    row: sqlite3.Row | None = connection.execute(f"SELECT * FROM users WHERE removed_at IS NULL AND {where}", values).fetchone()
    return None if row is None else user_of(row)


def user_of(row: sqlite3.Row) -> User:
    return User(
        id=UUID(row["id"]),
        email=row["email"],
        is_operator=bool(row["is_operator"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
        name=row["name"],
        made_admin=bool(row["is_admin"]),
    )


def hash_of_token(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _not_of_the_file(row: sqlite3.Row | None) -> Authorization:
    """The row that was changed. Raises: NotFound without one, Conflict for that of admin.token: nothing is changed then."""
    if row is None:
        raise not_found("authorization", _LISTED)
    if row["from_file"]:
        raise Conflict(
            "That is the token of the file admin.token: it cannot be changed or revoked from here.",
            remedy="To have another: stop the daemon, remove the file, start it again.",
        )
    return _authorization(row)


def _authorization(row: sqlite3.Row) -> Authorization:
    return Authorization(
        id=UUID(row["id"]),
        user_id=UUID(row["user_id"]),
        description=row["description"],
        token_hint=row["token_hint"],
        scopes=_scopes(row["scope"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"] or row["created_at"]),
        expires_at=maybe_time(row["expires_at"]),
        from_file=bool(row["from_file"]),
        app_id=maybe_id(row["app_id"]),
        app_name=row["app_name"],
    )


def _scopes(text: str) -> frozenset[Scope]:
    return frozenset(Scope(name) for name in text.split(","))


def _scope_text(scopes: frozenset[Scope]) -> str:
    return ",".join(sorted(scopes))


def _hint(token: str) -> str:
    """ "pushd-Ab**********yz12": enough to tell one's tokens apart, as the Heroku CLI expects a masked one to look."""
    return f"{token[:8]}**********{token[-4:]}" if len(token) >= 32 else "**********"
