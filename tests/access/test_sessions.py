"""Tokens of SSH sessions: as long as the session, as far as the key, and not a moment longer."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from pushd.access.access import Access
from pushd.access.actions import Action, may
from pushd.access.sessions import Sessions
from pushd.access.slowdown import Slowdown
from pushd.errors import Forbidden
from pushd.model.user import User
from tests.fakes import InstantClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADA = User(id=uuid4(), email="ada@example.com", is_operator=True, created_at=NOW, updated_at=NOW)
KEY = b"a public key"


class Store:
    """One user with one key, until it is taken away."""

    def __init__(self) -> None:
        self.owners: dict[bytes, UUID] = {KEY: ADA.id}

    async def maybe_owner(self, public_data: bytes) -> UUID | None:
        return self.owners.get(public_data)

    async def maybe_by_id(self, user_id: str | UUID) -> User | None:
        return ADA if user_id == ADA.id else None

    async def by_token(self, token: str) -> User | None:
        return None

    async def by_token_hash(self, wanted: bytes) -> User | None:
        return None

    async def password_of(self, email: str) -> tuple[User | None, str | None]:
        return None, None


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def sessions(store: Store) -> Sessions:
    return Sessions(store, store)


@pytest.fixture
def access(store: Store, sessions: Sessions) -> Access:
    return Access(store, slowdown=Slowdown(InstantClock()), sessions=sessions)


async def test_who_comes_by_a_session_comes_from_where_it_came_from(access: Access, sessions: Sessions) -> None:
    with sessions.lend(KEY, "192.0.2.7") as token, sessions.lend(KEY, "192.0.2.8") as another:
        found = [await access.authenticate(each, source="127.0.0.1") for each in (token, another)]
        assert [user and user.came_from for user in found] == ["192.0.2.7", "192.0.2.8"]
        again = found[0] and await access.again(found[0])
        assert again
        assert again.came_from == "192.0.2.7"


async def test_a_token_is_the_users_while_its_session_lasts(access: Access, sessions: Sessions) -> None:
    with sessions.lend(KEY, "192.0.2.7") as token, sessions.lend(KEY, "192.0.2.7") as another:
        found = await access.authenticate(token)
        assert found is not None
        assert found.id == ADA.id
        assert token != another
    assert await access.authenticate(token) is None


async def test_a_key_that_is_removed_takes_its_tokens_along(store: Store, access: Access, sessions: Sessions) -> None:
    with sessions.lend(KEY, "192.0.2.7") as token:
        store.owners.clear()
        assert await access.authenticate(token) is None


async def test_who_was_let_in_a_while_ago_is_so_while_session_and_key_are_there(
    store: Store, access: Access, sessions: Sessions
) -> None:
    with sessions.lend(KEY, "192.0.2.7") as token:
        user = await access.authenticate(token)
        assert user is not None
        assert await access.again(user) == user
        assert user.token_hash is not None
        assert await access.by_token_hash(user.token_hash) == user
    assert await access.again(user) is None
    assert await access.by_token_hash(user.token_hash) is None
    with sessions.lend(KEY, "192.0.2.7") as token:
        user = await access.authenticate(token)
        assert user is not None
        store.owners.clear()
        assert await access.again(user) is None


async def test_a_key_opens_apps_and_not_the_account(access: Access, sessions: Sessions) -> None:
    user = await sessions.maybe_user(KEY)

    assert user is not None
    assert {action for action in Action if not may(user, action, None)} == {Action.ACCOUNT, Action.USERS, Action.ADMIN}
    with pytest.raises(Forbidden, match="use this account"):
        access.check(user, Action.ACCOUNT)


@pytest.mark.parametrize("token", ["pushd-ssh-", "pushd-ssh-guessed", "", "pushd-ssh-\udcff"])
async def test_what_was_not_lent_is_nobodys(access: Access, sessions: Sessions, token: str) -> None:
    with sessions.lend(KEY, "192.0.2.7"):
        assert await access.authenticate(token) is None


def test_nothing_keeps_the_token_itself(sessions: Sessions) -> None:
    with sessions.lend(KEY, "192.0.2.7") as token:
        assert token not in repr(vars(sessions))
