"""Builds, formation, settings, changes, dynos and small facts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from pushd.errors import InvalidParams, NotFound
from pushd.model.app import App
from pushd.model.build import BuildStatus
from pushd.model.change import ChangeState
from pushd.model.dyno import DynoRole, DynoRow, Epoch
from pushd.model.user import User
from pushd.store.changes import KEPT
from pushd.store.store import Store
from tests.fakes import FakeClock
from tests.store.conftest import open_store
from tests.store.makes import NOBODY, make_live, make_slug


async def test_a_build_keeps_what_is_not_mentioned(store: Store, app: App, operator: User, clock: FakeClock) -> None:
    slug = make_slug(app)
    release = await make_live(store, app, operator, slug)
    build = await store.builds.create(app, user=operator, commit="a" * 40, branch="main")
    assert (build.status, build.user_email, build.buildpacks) == (BuildStatus.PENDING, "admin@localhost", ())
    clock.tick()

    await store.builds.update(build, slug_id=slug.id, buildpacks=("Python", "Ünï"))
    await store.builds.update(build, release_id=release.id)
    ended = await store.builds.update(build, status=BuildStatus.FAILED, reason="no Procfile")

    assert ended == replace(
        build, status=BuildStatus.FAILED, slug_id=slug.id, release_id=release.id, reason="no Procfile",
        buildpacks=("Python", "Ünï"), updated_at=clock.now(),
    )  # fmt: skip
    assert ended == await store.builds.find(app, str(build.id))


@pytest.mark.parametrize("key", ["", "latest", NOBODY])
async def test_an_unknown_build_is_not_found(store: Store, app: App, key: str) -> None:
    with pytest.raises(NotFound) as caught:
        await store.builds.find(app, key)
    assert caught.value.resource == "build"


async def test_only_old_and_ended_builds_are_forgotten(store: Store, app: App, operator: User, clock: FakeClock) -> None:
    builds = []
    for number in range(6):
        clock.tick()
        build = await store.builds.create(app, user=operator, commit="a" * 40, branch="main")
        builds.append(build if number == 0 else await store.builds.update(build, status=BuildStatus.SUCCEEDED))
    assert [each.id for each in await store.builds.list(app)] == [each.id for each in reversed(builds)]

    assert await store.builds.prune(app, 2) == [each.id for each in builds[1:4]]

    assert [each.id for each in await store.builds.list(app)] == [builds[5].id, builds[4].id, builds[0].id]
    assert [each.id for each in await store.builds.unsettled(app)] == [builds[0].id]
    assert await store.builds.prune(app, 2) == []
    with pytest.raises(NotFound):
        await store.builds.update(builds[1], reason="too late")


async def test_quantities_are_set_for_the_types_named(store: Store, app: App, clock: FakeClock) -> None:
    await store.formation.set(app, {"web": 1, "clock": 0})
    before = {row.type: row for row in await store.formation.of(app)}
    clock.tick()

    await store.formation.set(app, {"web": 2, "worker": 3})

    rows = await store.formation.of(app)
    assert [(row.type, row.quantity) for row in rows] == [("clock", 0), ("web", 2), ("worker", 3)]
    assert rows[0] == before["clock"]
    assert (rows[1].id, rows[1].created_at, rows[1].updated_at) == (before["web"].id, before["web"].created_at, clock.now())


async def test_settings_are_set_together_or_not_at_all(store: Store, app: App) -> None:
    assert (await store.settings.of(app))["boot-timeout-seconds"] == 60

    changed = await store.settings.set(app, {"boot-timeout-seconds": "90", "probe": "port"})
    assert (changed["boot-timeout-seconds"], changed["probe"]) == (90, "port")

    with pytest.raises(InvalidParams):
        await store.settings.set(app, {"boot-timeout-seconds": "80", "probe": "smoke"})
    with pytest.raises(NotFound):
        await store.settings.set(app, {"boot-timeout-seconds": "80", "colour": "red"})
    assert (await store.settings.of(app)).stored == {"boot-timeout-seconds": "90", "probe": "port"}

    await store.settings.set(app, {"boot-timeout-seconds": None, "probe-path": None})
    assert (await store.settings.of(app)).stored == {"probe": "port"}


async def test_a_change_is_settled_once(store: Store, app: App, clock: FakeClock) -> None:
    change = await store.changes.create(app, None)
    assert await store.changes.pending() == [change]
    clock.tick()

    settled = await store.changes.settle(change.id, ChangeState.FAILED, "R10", 7)
    again = await store.changes.settle(change.id, ChangeState.SUCCEEDED)

    assert (settled.state, settled.reason, settled.release_number) == (ChangeState.FAILED, "R10", 7)
    assert again == settled == await store.changes.find(str(change.id))
    assert await store.changes.pending() == []


async def test_settling_keeps_the_release_that_a_change_began_with(store: Store, app: App) -> None:
    change = await store.changes.create(app, 3)

    assert (await store.changes.settle(change.id, ChangeState.SUCCEEDED)).release_number == 3


@pytest.mark.parametrize("key", ["", "x", NOBODY])
async def test_an_unknown_change_is_not_found(store: Store, key: str) -> None:
    with pytest.raises(NotFound):
        await store.changes.find(key)


async def test_changes_do_not_pile_up(store: Store, app: App, clock: FakeClock) -> None:
    waiting = await store.changes.create(app, 1)
    for _ in range(KEPT + 5):
        clock.tick()
        newest = await store.changes.create(app, 1)
        await store.changes.settle(newest.id, ChangeState.SUCCEEDED)

    count = await store.database.read(lambda c: c.execute("SELECT count(*) FROM changes").fetchone()[0])
    assert count == KEPT + 1
    assert (await store.changes.find(waiting.id)).state is ChangeState.PENDING
    assert await store.changes.find(newest.id)


async def test_dynos_are_found_again_by_the_next_daemon(tmp_path: Path, clock: FakeClock) -> None:
    store = await open_store(tmp_path, clock)
    web = DynoRow(
        id=uuid4(), app_id=uuid4(), name="web.1", type="web", role=DynoRole.FORMATION, command="serve",
        release_id=uuid4(), epoch=Epoch(2, 1), port=5001,
        identity="boot 1 pid 2", started_at=clock.now(),
    )  # fmt: skip
    clock.tick()
    worker = replace(web, id=uuid4(), name="worker.1", type="worker", port=None, started_at=clock.now())
    for dyno in (worker, web, replace(web, identity="boot 1 pid 3")):
        await store.dynos.put(dyno)
    await store.dynos.set_ready(web.id, clock.now())
    await store.dynos.set_ready(uuid4(), clock.now())  # one that has ended meanwhile
    await store.close()

    store = await open_store(tmp_path)
    assert await store.dynos.list() == [replace(web, identity="boot 1 pid 3", ready_at=clock.now()), worker]
    await store.dynos.remove(web.id)
    await store.dynos.remove(web.id)  # twice is fine
    assert await store.dynos.list() == [worker]
    await store.close()


async def test_small_facts_are_kept(store: Store) -> None:
    assert await store.meta.get("router_port") is None

    await store.meta.set("router_port", "8080")
    await store.meta.set("router_port", "8081")

    assert await store.meta.get("router_port") == "8081"
