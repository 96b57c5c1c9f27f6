"""Tokens that hold as long as a session over SSH: what a command there shows to the API. Kept in memory, and by their hash."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol
from uuid import UUID

from pushd.kit.addresses import address_of
from pushd.kit.fingerprint import key_fingerprint
from pushd.model.user import Scope, User
from pushd.store.ssh_keys import hash_of_key
from pushd.store.users import hash_of_token

# A key opens apps, not the account: who has it makes no tokens and no other keys, and so does not outlast it.
SCOPES = frozenset({Scope.WRITE_PROTECTED})
_PREFIX = "pushd-ssh-"
_RANDOM_BYTES = 32


class SshKeys(Protocol):
    """What sessions need of `store.ssh_keys`."""

    async def maybe_owner(self, public_data: bytes) -> UUID | None: ...


class Users(Protocol):
    """What sessions need of `store.users`."""

    async def maybe_by_id(self, user_id: str | UUID) -> User | None: ...


class Sessions:
    """Who came by which key. A key that is removed opens nothing more, whatever session began with it."""

    def __init__(self, ssh_keys: SshKeys, users: Users) -> None:
        self._ssh_keys = ssh_keys
        self._users = users
        self._lent: dict[bytes, tuple[bytes, str]] = {}  # hash of a token -> the key that its session came with, and from where

    async def maybe_user(self, public_data: bytes) -> User | None:
        """Whose public key this is, as far as a key reaches; None for one that nobody has."""
        owner = await self._ssh_keys.maybe_owner(public_data)
        user = None if owner is None else await self._users.maybe_by_id(owner)
        if user is None:
            return None
        came_by = f"SSH key {key_fingerprint(public_data)}"
        return replace(user, scopes=SCOPES, came_by=came_by, key_hash=hash_of_key(public_data))

    @contextmanager
    def lend(self, public_data: bytes, source: str) -> Iterator[str]:
        """A token for whoever holds this key, until the block ends.

        `source`: the address of the client. What is done by the token is done from there, whoever connects to us with it; that
        is known from here alone, and nobody can claim another address.
        """
        token = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
        self._lent[hash_of_token(token)] = public_data, source
        try:
            yield token
        finally:
            del self._lent[hash_of_token(token)]

    async def by_token(self, token: str) -> User | None:
        """Whose session this is; a token is found by its hash, so that the time tells nothing of it."""
        return await self.by_token_hash(hash_of_token(token)) if token.startswith(_PREFIX) else None

    async def by_token_hash(self, wanted: bytes) -> User | None:
        """The same for who came with it a while ago: None once the session is over or its key is gone."""
        if (lent := self._lent.get(wanted)) is None:
            return None
        key, source = lent
        user = await self.maybe_user(key)
        return None if user is None else replace(user, token_hash=wanted, came_from=source)


def address_behind(user: User, remote: str | None) -> str:
    """Where somebody asks from: over SSH the client's address, else that of whoever is connected to us, as aiohttp knows it."""
    return user.came_from or address_of(remote)
