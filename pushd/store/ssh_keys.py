"""Public SSH keys of users. One key belongs to one user: by it SSH knows who comes."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import datetime
from uuid import UUID, uuid4

from pushd.errors import InvalidParams
from pushd.kit.clock import Clock
from pushd.model.ssh_key import SshKey, key_data
from pushd.model.user import User
from pushd.store.database import Database
from pushd.store.rows import not_found, time_text
from pushd.store.users import check_stands

KEYS_PER_USER = 100
_SELECT = "SELECT ssh_keys.*, users.email FROM ssh_keys JOIN users ON users.id = ssh_keys.user_id"


class SshKeys:
    """Table `ssh_keys`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of(self, user: User) -> list[SshKey]:
        """Oldest first."""
        return await self._database.read(lambda connection: _of(connection, user))

    async def find(self, user: User, which: str) -> SshKey:
        """One of this user's, by id or fingerprint. Raises: NotFound."""
        return await self._database.read(lambda connection: _find(connection, user, which))

    async def maybe_owner(self, public_data: bytes) -> UUID | None:
        """The id of the user who has this very key, as SSH sends it."""
        key_hash = hash_of_key(public_data)

        def read(connection: sqlite3.Connection) -> UUID | None:
            row = connection.execute("SELECT user_id FROM ssh_keys WHERE key_hash = ?", (key_hash,)).fetchone()
            return None if row is None else UUID(row["user_id"])

        return await self._database.read(read)

    async def add(self, user: User, public_key: str) -> SshKey:
        """`public_key` as `parse_public_key` gives it.

        Raises: InvalidParams for one that somebody has, or one too many; Unauthorized when what the user came with is gone.
        """
        key_id, moment = str(uuid4()), self._clock.now()
        now = time_text(moment)
        key_hash = hash_of_key(key_data(public_key))

        def work(connection: sqlite3.Connection) -> SshKey:
            check_stands(connection, user, moment)
            if connection.execute("SELECT 1 FROM ssh_keys WHERE key_hash = ?", (key_hash,)).fetchone():
                raise InvalidParams(
                    "Fingerprint already exists. Please use a different SSH key.",
                    remedy="`pushd keys` lists yours; a key can belong to one account only.",
                )
            if len(_of(connection, user)) >= KEYS_PER_USER:
                raise InvalidParams(f"You can only have {KEYS_PER_USER} SSH keys.", remedy="Remove one with keys:remove first.")
            connection.execute(
                "INSERT INTO ssh_keys VALUES (?, ?, ?, ?, ?, ?)", (key_id, str(user.id), public_key, key_hash, now, now)
            )
            return _find(connection, user, key_id)

        return await self._database.transact(work)

    async def remove(self, user: User, which: str) -> SshKey:
        """By id or fingerprint; gives what it was. Raises: NotFound."""

        def work(connection: sqlite3.Connection) -> SshKey:
            found = _find(connection, user, which)
            connection.execute("DELETE FROM ssh_keys WHERE id = ?", (str(found.id),))
            return found

        return await self._database.transact(work)


def hash_of_key(public_data: bytes) -> bytes:
    """By what a key is found."""
    return hashlib.sha256(public_data).digest()


def _of(connection: sqlite3.Connection, user: User) -> list[SshKey]:
    rows = connection.execute(f"{_SELECT} WHERE user_id = ? ORDER BY ssh_keys.created_at, ssh_keys.id", (str(user.id),))
    return [_key(row) for row in rows]


def _find(connection: sqlite3.Connection, user: User, which: str) -> SshKey:
    for key in _of(connection, user):
        if which.lower() in (str(key.id), key.fingerprint):
            return key
    raise not_found("key", remedy="`pushd keys` lists yours.")


def _key(row: sqlite3.Row) -> SshKey:
    return SshKey(
        id=UUID(row["id"]),
        user_id=UUID(row["user_id"]),
        email=row["email"],
        public_key=row["public_key"],
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )
