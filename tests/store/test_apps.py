from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from pushd.errors import InvalidParams, NotFound, PushdError
from pushd.model.app import App
from pushd.model.dyno import DynoRole, DynoRow, Epoch
from pushd.model.release import ReleaseStatus
from pushd.model.user import User
from pushd.store.store import Store
from tests.fakes import FakeClock
from tests.store.makes import NOBODY, make_live, make_slug


async def test_a_new_app_has_its_initial_release(store: Store, operator: User) -> None:
    app = await store.apps.create("blog", operator)

    (first,) = await store.releases.list(app)
    assert (first.name, first.description, first.status) == ("v1", "Initial release", ReleaseStatus.SUCCEEDED)
    assert (first.slug_id, dict(first.process_types), first.phase_passed) == (None, {}, True)
    assert dict(await store.config.of(app)) == {}
    assert (app.owner_email, app.maintenance, app.restarts, app.released_at) == ("admin@localhost", False, 0, None)


async def test_an_app_is_found_by_name_and_by_any_spelling_of_its_id(store: Store, app: App) -> None:
    for key in ("blog", app.id, str(app.id), str(app.id).upper(), app.id.hex):
        assert await store.apps.find(key) == app


@pytest.mark.parametrize("key", ["", "Blog", "blo", "blog ", "bl%", "' OR 1 --", "\0", "café", NOBODY, str(NOBODY)])
async def test_an_unknown_app_is_not_found_in_herokus_words(store: Store, app: App, key: str) -> None:
    with pytest.raises(NotFound, match=r"^Couldn't find that app\.$") as caught:
        await store.apps.find(key)
    assert caught.value.resource == "app"


async def test_a_taken_name_is_refused_and_nothing_is_made(store: Store, app: App, operator: User) -> None:
    with pytest.raises(InvalidParams, match="Name blog is already taken"):
        await store.apps.create("blog", operator)

    assert await store.apps.all() == [app]


async def test_of_many_who_want_one_name_one_gets_it(store: Store, operator: User) -> None:
    results = await asyncio.gather(*(store.apps.create("blog", operator) for _ in range(10)), return_exceptions=True)

    assert sum(isinstance(result, App) for result in results) == 1
    assert sum(isinstance(result, InvalidParams) for result in results) == 9


async def test_apps_are_listed_by_name(store: Store, operator: User) -> None:
    for name in ("zoo", "alpha", "mid-2", "mid-10"):
        await store.apps.create(name, operator)

    assert [app.name for app in await store.apps.all()] == ["alpha", "mid-10", "mid-2", "zoo"]


async def test_rename_frees_the_old_name(store: Store, app: App, operator: User, clock: FakeClock) -> None:
    clock.tick()
    renamed = await store.apps.rename(app, "journal")

    assert (renamed.id, renamed.name) == (app.id, "journal")
    assert renamed.updated_at > app.updated_at
    assert (await store.apps.rename(renamed, "journal")).name == "journal"  # its own name is no taken one
    other = await store.apps.create("blog", operator)
    assert other.id != app.id
    with pytest.raises(InvalidParams, match="already taken"):
        await store.apps.rename(renamed, "blog")


async def test_changes_of_an_app_are_stored_one_by_one(store: Store, app: App, clock: FakeClock) -> None:
    assert (await store.apps.set_maintenance(app, True)).maintenance
    assert (await store.apps.bump_restarts(app)).restarts == 1
    assert (await store.apps.bump_restarts(app)).restarts == 2  # counted in the store, not in the stale value
    await store.apps.set_sizes(app, repo_size_bytes=10)
    sized = await store.apps.set_sizes(app, slug_size_bytes=20)
    assert (sized.repo_size_bytes, sized.slug_size_bytes) == (10, 20)
    released = await store.apps.set_released(app)
    assert released.released_at == clock.now()
    assert released == replace(
        app, maintenance=True, restarts=2, repo_size_bytes=10, slug_size_bytes=20, released_at=clock.now()
    )


async def test_restarts_asked_for_at_once_are_all_counted(store: Store, app: App) -> None:
    await asyncio.gather(*(store.apps.bump_restarts(app) for _ in range(20)))

    assert (await store.apps.find("blog")).restarts == 20


async def test_a_destroyed_app_takes_all_its_own_along(store: Store, app: App, operator: User, clock: FakeClock) -> None:
    other = await store.apps.create("other", operator)
    for each in (app, other):
        slug = make_slug(each)
        release = await make_live(store, each, operator, slug)
        build = await store.builds.create(each, user=operator, commit="a" * 40, branch="main")
        await store.builds.update(build, slug_id=slug.id, release_id=release.id)
        await store.formation.set(each, {"web": 1})
        await store.settings.set(each, {"probe": "port"})
        await store.changes.create(each, 2)
    running = DynoRow(
        id=uuid4(), app_id=app.id, name="web.1", type="web", role=DynoRole.FORMATION, command="serve",
        release_id=release.id, epoch=Epoch(2, 0), port=5001,
        identity="boot 1 pid 2", started_at=clock.now(),
    )  # fmt: skip
    await store.dynos.put(running)

    await store.apps.delete(app)
    await store.apps.delete(app)  # twice is fine

    assert [each.name for each in await store.apps.all()] == ["other"]
    assert await store.releases.list(app) == await store.slugs.list(app) == await store.builds.list(app) == []
    assert await store.formation.of(app) == []
    assert (
        len(await store.builds.list(other)) == len(await store.changes.pending()) == len(await store.releases.list(other)) - 1
    )
    assert await store.dynos.list() == [running]  # a process is known until it has ended


async def test_whatever_comes_too_late_for_a_destroyed_app_is_refused(store: Store, app: App, operator: User) -> None:
    slug = make_slug(app)
    release = await store.releases.latest(app)
    await store.apps.delete(app)

    late = [
        store.apps.set_maintenance(app, True), store.apps.bump_restarts(app), store.apps.rename(app, "other"),
        store.apps.set_sizes(app, repo_size_bytes=1), store.apps.set_released(app),
        store.releases.create(app, slug_id=None, process_types={}, config={}, description="d", user=operator),
        store.releases.latest(app), store.releases.config_vars(release), store.config.of(app),
        store.releases.set_phase_passed(release), store.slugs.create(slug), store.settings.set(app, {"probe": "port"}),
        store.builds.create(app, user=operator, commit="a" * 40, branch="main"), store.changes.create(app, 1),
        store.formation.set(app, {"web": 1}),
    ]  # fmt: skip
    for result in await asyncio.gather(*late, return_exceptions=True):
        assert isinstance(result, NotFound), result
        assert isinstance(result, PushdError)
    assert await store.apps.all() == []
