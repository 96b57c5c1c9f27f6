"""Whoever makes a token, a key, a password, an admin, an heir and so on still has what they came with, in that transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from pushd.access.sessions import Sessions
from pushd.errors import Conflict, Forbidden, Unauthorized
from pushd.model.app import App
from pushd.model.ssh_key import key_data, parse_public_key
from pushd.model.user import User
from pushd.store.store import Store
from tests.fakes import FakeClock
from tests.pki import KEY_OF_NOBODY, ssh_public_key

ADA, BEN = "ada@example.com", "ben@example.com"
HASH, ANOTHER = "$argon2id$v=19$...", "$argon2id$v=20$..."
KEY = parse_public_key(ssh_public_key(KEY_OF_NOBODY), comment="x")

Make = Callable[[Store, User, App], Awaitable[object]]
MAKE: dict[str, Make] = {
    "a token": lambda store, by, app: store.users.create_authorization(by, "late"),
    "another token": lambda store, by, app: store.users.rotate(by, str(uuid4())),
    "a key": lambda store, by, app: store.ssh_keys.add(by, KEY),
    "a password": lambda store, by, app: store.accounts.set_password(by, ANOTHER, instead_of=HASH),
    "an account": lambda store, by, app: store.accounts.add(BEN, is_admin=True, by=by),
    "an invitation": lambda store, by, app: store.accounts.invite(by, by=by),
    "an admin": lambda store, by, app: store.accounts.set_admin(by, True, by=by),
    "access": lambda store, by, app: store.collaborators.add(app, BEN, by=by),
    "an heir": lambda store, by, app: store.accounts.remove(by, by, by=by),
}


async def by_token(store: Store) -> User:
    ada = (await store.accounts.find(ADA)).user
    expires = store.users._clock.now() + timedelta(hours=1)
    _, token = await store.users.create_authorization(ada, "laptop", expires)
    user = await store.users.by_token(token)
    assert user
    return user


async def by_password(store: Store) -> User:
    user, stored = await store.users.password_of(ADA)
    assert user
    return replace(user, password_hash=stored)


async def by_key(store: Store) -> User:
    await store.ssh_keys.add((await store.accounts.find(ADA)).user, KEY)
    user = await Sessions(store.ssh_keys, store.users).maybe_user(key_data(KEY))
    assert user
    return user


Come = Callable[[Store], Awaitable[User]]
Lose = Callable[[Store, User, FakeClock], Awaitable[object]]


async def revoke(store: Store, user: User, clock: FakeClock) -> None:
    for each in await store.users.authorizations(user):
        await store.users.revoke(each.id)


async def rotate(store: Store, user: User, clock: FakeClock) -> None:
    for each in await store.users.authorizations(user):
        await store.users.rotate(user, str(each.id))


async def expire(store: Store, user: User, clock: FakeClock) -> None:
    clock.tick(3600)


async def change_password(store: Store, user: User, clock: FakeClock) -> None:
    await store.accounts.set_password(user, ANOTHER, instead_of=HASH)


async def remove_key(store: Store, user: User, clock: FakeClock) -> None:
    for each in await store.ssh_keys.of(user):
        await store.ssh_keys.remove(user, str(each.id))


async def end_all(store: Store, user: User, clock: FakeClock) -> None:
    await store.accounts.invite(user, ends_tokens=True, by=await store.users.operator())


async def remove(store: Store, user: User, clock: FakeClock) -> None:
    await store.accounts.remove(user, by=await store.users.operator())


ENDS: list[tuple[Come, Lose]] = [
    (by_token, revoke), (by_token, rotate), (by_token, expire), (by_token, end_all), (by_token, remove),
    (by_password, change_password), (by_password, end_all), (by_password, remove),
    (by_key, remove_key), (by_key, end_all), (by_key, remove),
]  # fmt: skip


@pytest.fixture
async def ada(store: Store, operator: User) -> User:
    """An admin with a password."""
    _, invitation = await store.accounts.add(ADA, is_admin=True, by=operator)
    return await store.accounts.redeem(invitation, HASH)


async def everything(store: Store) -> str:
    """All rows of what opens this server."""
    tables = ("users", "invitations", "authorizations", "ssh_keys", "collaborators")

    def read(connection: object) -> str:
        return str([tuple(row) for table in tables for row in connection.execute(f"SELECT * FROM {table}")])  # type: ignore[attr-defined]

    return await store.database.read(read)


@pytest.mark.parametrize(("come", "lose"), ENDS, ids=lambda each: each.__name__)
async def test_what_one_came_with_must_hold(
    store: Store, ada: User, app: App, clock: FakeClock, come: Come, lose: Lose
) -> None:
    by = await come(store)
    await lose(store, by, clock)
    before = await everything(store)

    for make in MAKE.values():
        with pytest.raises(Unauthorized):
            await make(store, by, app)

    assert await everything(store) == before


@pytest.mark.parametrize("come", [by_token, by_password, by_key])
@pytest.mark.parametrize("what", MAKE)
async def test_who_is_no_admin_any_more_makes_nothing_as_one(store: Store, ada: User, app: App, come: Come, what: str) -> None:
    by = await come(store)
    await store.accounts.set_admin(ada, False, by=await store.users.operator())
    before = await everything(store)

    with pytest.raises(Forbidden, match="no admin"):
        await MAKE[what](store, by, app)

    assert await everything(store) == before


@pytest.mark.parametrize("come", [by_token, by_password])
@pytest.mark.parametrize("what", sorted(MAKE.keys() - {"another token"}))
async def test_while_it_holds_it_makes_them(store: Store, ada: User, app: App, come: Come, what: str) -> None:
    await MAKE[what](store, await come(store), app)


@pytest.mark.parametrize("instead_of", [None, ANOTHER])
async def test_a_password_takes_the_place_of_the_one_that_was_proven(store: Store, ada: User, instead_of: str | None) -> None:
    with pytest.raises(Conflict, match="changed meanwhile"):
        await store.accounts.set_password(ada, ANOTHER, instead_of=instead_of)
    assert (await store.users.password_of(ADA))[1] == HASH
