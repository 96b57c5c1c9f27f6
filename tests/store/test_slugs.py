from __future__ import annotations

from dataclasses import replace

import pytest

from pushd.errors import Conflict, NotFound
from pushd.model.app import App
from pushd.model.release import ReleaseEvent
from pushd.model.slug import SlugState
from pushd.model.user import User
from pushd.store.store import Store
from tests.store.makes import NOBODY, make_live, make_release, make_slug


async def test_a_slug_is_found_by_id_and_by_checksum(store: Store, app: App) -> None:
    slug = await store.slugs.create(make_slug(app))

    for key in (slug.id, str(slug.id), slug.checksum, f"SHA256:{slug.checksum}"):
        assert await store.slugs.find(app, key) == slug


@pytest.mark.parametrize("key", [NOBODY, "d" * 64, "", "SHA256:"])
async def test_an_unknown_slug_is_not_found(store: Store, app: App, key: str) -> None:
    await store.slugs.create(make_slug(app))

    with pytest.raises(NotFound) as caught:
        await store.slugs.find(app, key)
    assert caught.value.resource == "slug"


async def test_of_equal_content_the_newest_is_found(store: Store, app: App) -> None:
    older, newer = make_slug(app, created_minute=1), make_slug(app, created_minute=2)
    for slug in (newer, older):
        await store.slugs.create(slug)

    assert await store.slugs.find(app, newer.checksum) == newer
    assert await store.slugs.list(app) == [newer, older]


async def test_a_slug_is_filled_once(store: Store, app: App) -> None:
    awaited = await store.slugs.create(replace(make_slug(app, checksum="", environment=""), state=SlugState.AWAITED))
    first = await store.slugs.fill(replace(awaited, checksum="a" * 64, state=SlugState.UPLOADED))

    with pytest.raises(Conflict):
        await store.slugs.fill(replace(awaited, checksum="b" * 64, state=SlugState.UPLOADED))
    assert await store.slugs.list(app) == [first]

    await store.slugs.delete(first)
    with pytest.raises(NotFound):
        await store.slugs.fill(first)


async def test_what_is_in_use_is_told(store: Store, app: App, operator: User) -> None:
    other = await store.apps.create("other", operator)
    await store.slugs.create(make_slug(app, checksum="a" * 64, environment="one"))
    await store.slugs.create(make_slug(app, checksum="b" * 64, environment=""))
    await store.slugs.create(make_slug(other, checksum="a" * 64, environment="two"))

    assert await store.slugs.checksums_in_use() == {"a" * 64, "b" * 64}
    assert await store.slugs.environments_in_use(app.id) == {"one"}
    assert await store.slugs.environments_in_use(other.id) == {"two"}


async def test_a_forgotten_slug_leaves_its_releases_in_their_place(store: Store, app: App, operator: User) -> None:
    old, new = make_slug(app), make_slug(app)
    first = await make_live(store, app, operator, old)
    build = await store.builds.create(app, user=operator, commit="a" * 40, branch="main")
    await store.builds.update(build, slug_id=old.id, release_id=first.id)
    await make_live(store, app, operator, new)

    await store.slugs.delete(old)
    await store.slugs.delete(old)  # twice is fine

    assert await store.slugs.list(app) == [new]
    kept = await store.releases.find(app, first.id)
    assert (kept.slug_id, dict(kept.process_types)) == (None, dict(old.process_types))
    assert (await store.builds.find(app, build.id)).slug_id is None


async def test_the_slug_that_runs_cannot_be_forgotten(store: Store, app: App, operator: User) -> None:
    running, failed = make_slug(app), make_slug(app)
    await make_live(store, app, operator, running)
    await store.slugs.create(failed)
    await store.releases.move(await make_release(store, app, operator, slug=failed), ReleaseEvent.DID_NOT_COME_UP)

    with pytest.raises(Conflict, match="a release that runs"):
        await store.slugs.delete(running)

    await store.slugs.delete(failed)
    assert await store.slugs.list(app) == [running]


async def test_the_slug_of_a_pending_release_cannot_be_forgotten(store: Store, app: App, operator: User) -> None:
    old, new = make_slug(app), make_slug(app)
    await make_live(store, app, operator, old)
    await make_live(store, app, operator, new)
    rollback = await make_release(store, app, operator, slug=old)

    with pytest.raises(Conflict):
        await store.slugs.delete(old)

    await store.releases.move(rollback, ReleaseEvent.DID_NOT_COME_UP)
    await store.slugs.delete(old)
