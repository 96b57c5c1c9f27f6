from __future__ import annotations

import asyncio
import sqlite3
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pushd.errors import Conflict, DiskFull, NotFound
from pushd.model.app import App
from pushd.model.release import MOVES, Release, ReleaseEvent, ReleaseStatus
from pushd.model.user import User
from pushd.store.store import Store
from tests.fakes import FakeClock
from tests.store.makes import NOBODY, make_live, make_release, make_slug

E, S = ReleaseEvent, ReleaseStatus
WAY_TO = {S.PENDING: (), S.SUCCEEDED: (E.WENT_LIVE,), S.FAILED: (E.DID_NOT_COME_UP,), S.EXPIRED: (E.OVERTAKEN,)}


async def in_status(store: Store, app: App, user: User, status: ReleaseStatus) -> Release:
    release = await make_release(store, app, user)
    for event in WAY_TO[status]:
        release = await store.releases.move(release, event)
    return release


async def test_a_release_comes_back_as_it_was_stored(store: Store, app: App, operator: User) -> None:
    slug = await store.slugs.create(make_slug(app))

    release = await make_release(store, app, operator, slug=slug, config={"B": "2", "A": ""}, phase_passed=True)

    assert (release.name, release.status, release.user_email) == ("v2", S.PENDING, "admin@localhost")
    assert (release.phase_passed, release.has_output, release.slug_id) == (True, False, slug.id)
    assert list(release.process_types.items()) == list(slug.process_types.items())  # the Procfile's order
    assert list((await store.releases.config_vars(release)).items()) == [("A", ""), ("B", "2")]
    for key in (2, "2", "v2", release.id, str(release.id)):
        assert await store.releases.find(app, key) == release


@pytest.mark.parametrize("key", [0, 3, "v3", "0", "", "v", "latest", "v2x", "-1", "²", "9" * 30, NOBODY])
async def test_an_unknown_release_is_not_found(store: Store, app: App, operator: User, key: str | int | UUID) -> None:
    await make_release(store, app, operator)

    with pytest.raises(NotFound, match="Couldn't find that release") as caught:
        await store.releases.find(app, key)
    assert caught.value.resource == "release"


async def test_a_release_of_another_app_is_not_found(store: Store, app: App, operator: User) -> None:
    other = await store.apps.create("other", operator)
    release = await make_release(store, other, operator)

    with pytest.raises(NotFound):
        await store.releases.find(app, release.id)


async def test_numbers_have_no_gap_whoever_comes_at_once(store: Store, app: App, operator: User) -> None:
    other = await store.apps.create("other", operator)

    made = await asyncio.gather(*(make_release(store, each, operator) for _ in range(20) for each in (app, other)))

    for each in (app, other):
        assert sorted(release.number for release in made if release.app_id == each.id) == list(range(2, 22))
        assert [release.number for release in await store.releases.list(each)] == list(range(21, 0, -1))


async def test_a_release_that_could_not_be_stored_leaves_no_gap(store: Store, app: App, operator: User) -> None:
    def shrink(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    await store.database.transact(shrink)
    with pytest.raises(DiskFull):
        await make_release(store, app, operator, config={"BIG": "x" * 60_000}, formation={"web": 1})
    assert [release.number for release in await store.releases.list(app)] == [1]
    assert dict(await store.config.of(app)) == {}
    assert await store.formation.of(app) == []

    await store.database.transact(lambda connection: connection.execute("PRAGMA max_page_count = 1000000"))
    assert (await make_release(store, app, operator)).number == 2


async def test_config_none_keeps_the_newest_values(store: Store, app: App, operator: User) -> None:
    await make_release(store, app, operator, config={"A": "1"})
    failed = await make_release(store, app, operator, config={"A": "2"})
    await store.releases.move(failed, E.DID_NOT_COME_UP)

    release = await make_release(store, app, operator, config=None)

    assert dict(await store.releases.config_vars(release)) == {"A": "2"}  # the newest, although its release failed
    assert dict(await store.releases.config_vars(await store.releases.find(app, 2))) == {"A": "1"}


async def test_formation_is_given_only_to_types_that_have_none(store: Store, app: App, operator: User) -> None:
    await store.formation.set(app, {"web": 3})

    await make_release(store, app, operator, formation={"web": 1, "worker": 0})

    assert await store.formation.quantities(app) == {"web": 3, "worker": 0}


@pytest.mark.parametrize("status", ReleaseStatus)
@pytest.mark.parametrize("event", ReleaseEvent)
async def test_it_moves_as_the_table_says_and_in_no_other_way(
    store: Store, app: App, operator: User, status: ReleaseStatus, event: ReleaseEvent
) -> None:
    release = await in_status(store, app, operator, status)

    if (status, event) in MOVES:
        assert (await store.releases.move(release, event)).status is MOVES[status, event]
    else:
        with pytest.raises(Conflict, match=f"v2 is {status.value}"):
            await store.releases.move(release, event)
        assert (await store.releases.find(app, 2)).status is status


async def test_the_stored_status_counts_not_the_one_in_hand(store: Store, app: App, operator: User) -> None:
    release = await make_release(store, app, operator)

    results = await asyncio.gather(
        *(store.releases.move(release, event) for event in (E.WENT_LIVE, E.DID_NOT_COME_UP)), return_exceptions=True
    )

    assert [type(result) for result in results] == [Release, Conflict]


async def test_phase_and_output_are_noted(store: Store, app: App, operator: User, clock: FakeClock) -> None:
    release = await make_release(store, app, operator)
    clock.tick()

    await store.releases.set_has_output(release)
    noted = await store.releases.set_phase_passed(release)

    assert (noted.has_output, noted.phase_passed, noted.updated_at) == (True, True, clock.now())


async def test_lists_are_by_number_and_may_be_limited(store: Store, app: App, operator: User) -> None:
    for _ in range(4):
        await make_release(store, app, operator)

    assert [each.number for each in await store.releases.list(app, limit=2)] == [5, 4]
    assert [each.number for each in await store.releases.list(app, newest_first=False, limit=2)] == [1, 2]
    assert (await store.releases.latest(app)).number == 5


async def test_pending_ones_of_all_apps_are_found_after_a_death(store: Store, app: App, operator: User) -> None:
    other = await store.apps.create("other", operator)
    waiting = [await make_release(store, app, operator), await make_release(store, other, operator)]
    await in_status(store, app, operator, S.SUCCEEDED)

    assert {each.id for each in await store.releases.pending()} == {each.id for each in waiting}


async def test_a_release_needs_a_slug_of_its_own_app(store: Store, app: App, operator: User) -> None:
    other = await store.apps.create("other", operator)
    foreign = await store.slugs.create(make_slug(other))

    for slug in (foreign, make_slug(app)):
        with pytest.raises(NotFound) as caught:
            await make_release(store, app, operator, slug=slug)
        assert caught.value.resource == "slug"
    assert (await store.releases.latest(app)).number == 1


@pytest.mark.parametrize(
    "change",
    [
        "number = 9",
        "process_types = '{}'",
        "config = x'00'",
        "description = 'x'",
        "slug_id = id",
        "user_id = 'x'",
        "app_id = 'x'",
    ],
)
async def test_the_store_itself_refuses_to_change_a_release(store: Store, app: App, operator: User, change: str) -> None:
    await make_live(store, app, operator, make_slug(app))

    with pytest.raises(sqlite3.IntegrityError, match="a release does not change"):
        await store.database.transact(lambda connection: connection.execute(f"UPDATE releases SET {change} WHERE number = 2"))


STEPS = st.lists(st.tuples(st.sampled_from(["release", *ReleaseEvent]), st.integers(0, 5)), max_size=15)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_any_sequence_keeps_the_rules(store: Store, operator: User, steps: list[tuple[str, int]]) -> None:
    """Against a model of three lines: numbers 1, 2, 3 ..., statuses by the table."""
    app = await store.apps.create(f"a{uuid4().hex[:20]}", operator)
    expected = [S.SUCCEEDED]
    for step, which in steps:
        if step == "release":
            await make_release(store, app, operator)
            expected.append(S.PENDING)
            continue
        index = which % len(expected)
        release = await store.releases.find(app, index + 1)
        moved = MOVES.get((expected[index], ReleaseEvent(step)))
        if moved is None:
            with pytest.raises(Conflict):
                await store.releases.move(release, ReleaseEvent(step))
        else:
            expected[index] = (await store.releases.move(release, ReleaseEvent(step))).status
            assert expected[index] is moved
    releases = await store.releases.list(app, newest_first=False)
    assert [(each.number, each.status) for each in releases] == list(enumerate(expected, start=1))
