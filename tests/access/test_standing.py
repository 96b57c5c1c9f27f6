"""Who stays for a while is looked at again after every write, and once in a while for tokens that end by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from pushd.access.access import Access
from pushd.access.actions import Action
from pushd.access.standing import EXPIRY_SECONDS, Standing
from pushd.model.app import App
from pushd.model.user import Scope, User
from pushd.store.keys import KeyFile
from pushd.store.store import Store
from tests.fakes import FakeClock

ADA = "ada@example.com"


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "pushd.sqlite3", KeyFile(tmp_path / "secret.key"), clock)
    yield opened
    await opened.close()


@pytest.fixture
async def operator(store: Store) -> User:
    return await store.users.create_operator("admin@localhost", "pushd-the-token-of-the-operator")


@pytest.fixture
async def app(store: Store, operator: User) -> App:
    return await store.apps.create("blog", operator)


@pytest.fixture
async def standing(store: Store, clock: FakeClock) -> AsyncIterator[Standing]:
    made = Standing(Access(store.users), store.apps, clock, store.database.on_write)
    made.start()
    yield made
    await made.close()


async def share(store: Store, app: App, **options: object) -> User:
    """Somebody with whom the app is shared, as they come with a token."""
    await store.collaborators.add(app, ADA, by=await store.users.operator())
    user = await store.users.maybe_by_email(ADA)
    assert user
    _, token = await store.users.create_authorization(user, "theirs", **options)  # type: ignore[arg-type]
    user = await store.users.by_token(token)
    assert user
    return user


async def lost(event: asyncio.Event, clock: FakeClock) -> bool:
    """Whether it comes; the store answers in its own time, and then a look follows within seconds of the clock."""
    for _ in range(300):
        await clock.advance(1)
        if event.is_set():
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.parametrize("what", ["access", "token", "rotated", "user", "app"])
async def test_it_ends_with_what_it_rests_on(standing: Standing, store: Store, app: App, clock: FakeClock, what: str) -> None:
    user = await share(store, app)
    (authorization,) = await store.users.authorizations(user)
    with standing.watch(user, Action.LOGS, app.id) as event:
        await store.meta.set("anything", "else")
        assert await standing.may_still(user, Action.LOGS, app.id)
        if what == "access":
            await store.collaborators.remove(app, ADA)
        elif what == "token":
            await store.users.revoke(authorization.id)
        elif what == "rotated":
            await store.users.rotate(user, str(authorization.id))
        elif what == "user":
            await store.accounts.remove(user, by=await store.users.operator())
        else:
            await store.apps.delete(app)

        assert await lost(event, clock)
    assert not await standing.may_still(user, Action.LOGS, app.id)


async def test_it_ends_with_the_time_of_the_token(standing: Standing, store: Store, app: App, clock: FakeClock) -> None:
    user = await share(store, app, expires=clock.now() + timedelta(seconds=60))
    with standing.watch(user, Action.LOGS, app.id) as event:
        await clock.advance(30)
        assert not event.is_set()
        await clock.advance(30 + EXPIRY_SECONDS)
        assert await lost(event, clock)


async def test_others_stay(standing: Standing, store: Store, app: App, clock: FakeClock, operator: User) -> None:
    user = await share(store, app)
    with (
        standing.watch(user, Action.LOGS, app.id) as theirs,
        standing.watch(user, Action.LOGS, app.id) as again,
        standing.watch(operator, Action.LOGS, app.id) as of_operator,
    ):
        await store.collaborators.remove(app, ADA)
        assert await lost(theirs, clock)
        assert again.is_set()
        assert not of_operator.is_set()
    assert not standing._watches  # nothing is kept of those who have gone


async def test_what_was_written_before_one_came_counts(standing: Standing, store: Store, app: App, clock: FakeClock) -> None:
    """Between the door and the chair there is time to lose the right."""
    user = await share(store, app)
    await store.collaborators.remove(app, ADA)
    with standing.watch(user, Action.LOGS, app.id) as event:
        assert await lost(event, clock)


async def test_a_right_that_the_token_does_not_have_is_none(standing: Standing, store: Store, app: App) -> None:
    user = await share(store, app, scopes=frozenset({Scope.READ}))
    assert await standing.may_still(user, Action.LOGS, app.id)
    assert not await standing.may_still(user, Action.RUN, app.id)
