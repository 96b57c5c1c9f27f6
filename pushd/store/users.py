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

from pushd.errors import Conflict, NotFound
from pushd.kit.clock import Clock
from pushd.model.user import EVERYTHING, Authorization, Scope, User
from pushd.store.database import Database
from pushd.store.rows import maybe_text, maybe_time, not_found, parse_id, time_text

TOKEN_PREFIX = "pushd-"
_KEPT_AFTER_THEIR_END = timedelta(days=30)  # expired authorizations, so that one can see what has ended
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
        found = await self._database.read(lambda connection: _select(connection, "is_operator = 1", ()))
        if found is None:
            raise NotFound("There is no operator yet.", resource="account", remedy="`pushd serve` makes one at its start.")
        return found

    async def maybe_by_email(self, email: str) -> User | None:
        """Letter case of ASCII does not matter."""
        return await self._database.read(lambda connection: _select(connection, "email = ?", (email,)))

    async def maybe_by_id(self, user_id: str) -> User | None:
        wanted = maybe_text(parse_id(user_id))
        return (
            None if wanted is None else await self._database.read(lambda connection: _select(connection, "id = ?", (wanted,)))
        )

    async def by_token(self, token: str) -> User | None:
        """Whose token this is, with the scopes of that token; None for an unknown or an expired one."""
        wanted = _hash(token)

        def work(connection: sqlite3.Connection) -> tuple[User | None, str | None]:
            row = connection.execute(
                "SELECT user_id, token_hash, scope, expires_at FROM authorizations WHERE token_hash = ?", (wanted,)
            ).fetchone()
            if row is None or not hmac.compare_digest(row["token_hash"], wanted):
                return None, None
            user = _select(connection, "id = ?", (row["user_id"],))
            return user and replace(user, scopes=_scopes(row["scope"])), row["expires_at"]

        user, expires_at = await self._database.remembered(("token", wanted), work)
        return user if expires_at is None or expires_at > time_text(self._clock.now()) else None

    async def rename(self, user: User, name: str | None) -> User:
        """The name that a user goes by; None for none. Raises: NotFound."""
        now = time_text(self._clock.now())

        def work(connection: sqlite3.Connection) -> User:
            connection.execute("UPDATE users SET name = ?, updated_at = ? WHERE id = ?", (name, now, str(user.id)))
            found = _select(connection, "id = ?", (str(user.id),))
            if found is None:
                raise not_found("account")
            return replace(found, scopes=user.scopes)

        return await self._database.transact(work)

    async def create_operator(self, email: str, token: str) -> User:
        """The operator, made if need be, with this address and with `token` as the one of admin.token.

        May run at every start: a token that admin.token held before is no longer valid, other authorizations stay.
        """
        now, wanted = time_text(self._clock.now()), _hash(token)

        def work(connection: sqlite3.Connection) -> User:
            operator = _select(connection, "is_operator = 1", ())
            if operator is None:
                connection.execute(
                    "INSERT INTO users (id, email, is_operator, created_at, updated_at) VALUES (?, ?, 1, ?, ?)",
                    (str(uuid4()), email, now, now),
                )
            elif operator.email != email:
                connection.execute("UPDATE users SET email = ?, updated_at = ? WHERE is_operator = 1", (email, now))
            found = _select(connection, "is_operator = 1", ())
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
            rows = connection.execute("SELECT * FROM authorizations WHERE user_id = ? ORDER BY created_at, id", (str(user.id),))
            return [_authorization(row) for row in rows]

        return await self._database.read(work)

    async def find_authorization(self, user: User, authorization_id: str | UUID) -> Authorization:
        """One of this user's; `~` is the one that a file of the server holds. Raises: NotFound."""
        wanted = parse_id(authorization_id)
        for each in await self.authorizations(user):
            if each.id == wanted or (each.from_file and authorization_id == "~"):
                return each
        raise not_found("authorization")

    async def create_authorization(
        self, user: User, description: str, expires: datetime | None = None, *, scopes: frozenset[Scope] = EVERYTHING
    ) -> tuple[Authorization, str]:
        """A new authorization, and its token: this is the only time that the token can be seen.

        Those of the user that ended a month ago are forgotten.
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
        )
        values = (
            *(str(made.id), str(user.id), description, _hash(token), made.token_hint),
            *(time_text(now), None if expires is None else time_text(expires), _scope_text(scopes)),
        )

        forgotten = (str(user.id), time_text(now - _KEPT_AFTER_THEIR_END))

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM authorizations WHERE user_id = ? AND expires_at < ?", forgotten)
            connection.execute(
                "INSERT INTO authorizations"
                " (id, user_id, description, token_hash, token_hint, from_file, created_at, expires_at, scope)"
                " VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?)",
                values,
            )

        await self._database.transact(work)
        return made, token

    async def describe_authorization(self, user: User, authorization_id: str, description: str) -> Authorization:
        """Another description. Raises: NotFound; Conflict for the one of admin.token."""
        return await self._change(user, authorization_id, "description = ?", (description,))

    async def rotate(self, user: User, authorization_id: str) -> tuple[Authorization, str]:
        """Another token for the same authorization, and no longer the one before.

        Raises: NotFound; Conflict for the one of admin.token, which that file would no longer name.
        """
        token = new_token()
        values = (_hash(token), _hint(token))
        return await self._change(user, authorization_id, "token_hash = ?, token_hint = ?", values), token

    async def _change(self, user: User, authorization_id: str, what: str, values: tuple[object, ...]) -> Authorization:
        now, wanted = time_text(self._clock.now()), maybe_text(parse_id(authorization_id))

        def work(connection: sqlite3.Connection) -> Authorization:
            row = connection.execute(
                f"UPDATE authorizations SET {what}, updated_at = ? WHERE id = ? AND user_id = ? RETURNING *",
                (*values, now, wanted, str(user.id)),
            ).fetchone()
            return _not_of_the_file(row)

        return await self._database.transact(work)

    async def revoke(self, authorization_id: UUID) -> Authorization:
        """Its token is no longer valid; gives what it was.

        Raises: NotFound; Conflict for the one of admin.token, which the next start would bring back.
        """

        def work(connection: sqlite3.Connection) -> Authorization:
            row = connection.execute("DELETE FROM authorizations WHERE id = ? RETURNING *", (str(authorization_id),)).fetchone()
            return _not_of_the_file(row)

        return await self._database.transact(work)


def insert_user(connection: sqlite3.Connection, email: str, now: str) -> UUID:
    """The id of the user of that address; one who is not known yet is made, and cannot log in before they get a token."""
    if (found := _select(connection, "email = ?", (email,))) is not None:
        return found.id
    made = uuid4()
    connection.execute(
        "INSERT INTO users (id, email, is_operator, created_at, updated_at) VALUES (?, ?, 0, ?, ?)",
        (str(made), email, now, now),
    )
    return made


def _select(connection: sqlite3.Connection, where: str, values: Sequence[str]) -> User | None:
    row: sqlite3.Row | None = connection.execute(f"SELECT * FROM users WHERE {where}", values).fetchone()
    if row is None:
        return None
    return User(
        id=UUID(row["id"]),
        email=row["email"],
        is_operator=bool(row["is_operator"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
        name=row["name"],
    )


def _not_of_the_file(row: sqlite3.Row | None) -> Authorization:
    """The row that was changed. Raises: NotFound without one, Conflict for that of admin.token: nothing is changed then."""
    if row is None:
        raise not_found("authorization")
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
    )


def _scopes(text: str) -> frozenset[Scope]:
    return frozenset(Scope(name) for name in text.split(","))


def _scope_text(scopes: frozenset[Scope]) -> str:
    return ",".join(sorted(scopes))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _hint(token: str) -> str:
    """ "pushd-Ab**********yz12": enough to tell one's tokens apart, as the Heroku CLI expects a masked one to look."""
    return f"{token[:8]}**********{token[-4:]}" if len(token) >= 32 else "**********"
