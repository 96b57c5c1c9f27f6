"""What a push, a config change, a rollback and a scale do to releases, traffic and those who wait."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Sequence

import pytest

from pushd.errors import (
    BootFailed,
    BuildFailed,
    Conflict,
    DiskFull,
    InvalidParams,
    NotFound,
    PushdError,
    ReleasePhaseFailed,
    Superseded,
)
from pushd.model.app import App
from pushd.model.change import Change, ChangeState
from pushd.model.dyno import Dyno
from pushd.model.formation import parse_quantity
from pushd.model.release import Release, ReleaseEvent
from tests.story.conftest import Story


async def settled(story: Story, change: Change | None) -> Change:
    assert change is not None
    found = await story.deploys.wait_change(change.id, 10)
    assert found.state is not ChangeState.PENDING
    return found


async def test_a_push_goes_build_release_boot_switch_retire(story: Story, app: App) -> None:
    release = await story.push(app, "aaaa")

    assert release.name == "v2"
    assert story.runner.events == ["boot v2", "switch v2", "rest v2", "retire"]
    assert await story.statuses(app) == {"v1": "succeeded", "v2": "succeeded"}
    build = (await story.store.builds.list(app))[0]
    assert (build.status.value, build.release_id) == ("succeeded", release.id)
    assert "v2 is live" in story.said.read_text()


async def test_a_failed_build_makes_no_release(story: Story, app: App) -> None:
    story.builder.fails = True
    with pytest.raises(BuildFailed):
        await story.push(app, "aaaa")

    assert await story.statuses(app) == {"v1": "succeeded"}
    build = (await story.store.builds.list(app))[0]
    assert (build.status.value, build.reason) == ("failed", "pip said no")


async def test_a_failed_boot_marks_the_release_and_the_old_one_stays_current(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    story.runner.failing = {3}
    with pytest.raises(BootFailed):
        await story.push(app, "bbbb")

    assert await story.statuses(app) == {"v1": "succeeded", "v2": "succeeded", "v3": "failed"}
    assert "keep trying v3" not in story.runner.events  # v2 serves: nothing stands in
    _, change = await story.deploys.set_config(app, {"A": "1"}, story.user)
    await settled(story, change)
    newest = await story.store.releases.latest(app)
    assert newest.slug_id == (await story.store.releases.find(app, 2)).slug_id


async def test_a_first_boot_that_fails_keeps_trying_and_may_rise_late(story: Story, app: App) -> None:
    story.runner.failing = {2}
    with pytest.raises(BootFailed):
        await story.push(app, "aaaa")

    assert story.runner.events[-1] == "keep trying v2"
    assert story.runner.trying is not None
    assert story.runner.on_ready is not None
    await story.runner.on_ready(story.runner.trying)
    assert await story.statuses(app) == {"v1": "succeeded", "v2": "succeeded"}


async def test_the_missing_variable_repairs_a_failed_first_push(story: Story, app: App) -> None:
    story.runner.failing = {2}
    with pytest.raises(BootFailed):
        await story.push(app, "aaaa")

    _, change = await story.deploys.set_config(app, {"SECRET_KEY": "x"}, story.user)

    assert (await settled(story, change)).state is ChangeState.SUCCEEDED
    assert await story.statuses(app) == {"v1": "succeeded", "v2": "failed", "v3": "succeeded"}


async def test_a_failed_release_phase_boots_nothing(story: Story, app: App) -> None:
    story.builder.process_types = {"web": "serve", "release": "migrate"}
    story.runner.phase_code = 3
    with pytest.raises(ReleasePhaseFailed, match="status 3"):
        await story.push(app, "aaaa")

    assert story.runner.events == ["phase v2"]
    story.runner.phase_code = 0  # config:set takes the newest built slug although its phase failed
    _, change = await story.deploys.set_config(app, {"DATABASE_URL": "x"}, story.user)
    assert (await settled(story, change)).state is ChangeState.SUCCEEDED


async def test_config_before_the_first_push_boots_nothing(story: Story, app: App) -> None:
    environ, change = await story.deploys.set_config(app, {"A": "1"}, story.user)

    assert (dict(environ), change) == ({"A": "1"}, None)
    assert story.runner.events == []
    assert await story.statuses(app) == {"v1": "succeeded", "v2": "succeeded"}


async def test_setting_what_is_set_makes_no_release(story: Story, app: App) -> None:
    await story.deploys.set_config(app, {"A": "1"}, story.user)
    await story.deploys.set_config(app, {"A": "1", "B": None}, story.user)

    assert list(await story.statuses(app)) == ["v1", "v2"]


async def test_setting_again_what_did_not_come_up_tries_again(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    story.runner.failing = {3, 4}
    for number in (3, 4):
        _, change = await story.deploys.set_config(app, {"DIE": "1"}, story.user)
        end = await settled(story, change)
        assert (end.state, end.release_number) == (ChangeState.FAILED, number)
        assert (await story.statuses(app))[f"v{number}"] == "failed"
    story.runner.failing = set()
    _, change = await story.deploys.set_config(app, {"DIE": "1", "NOT": None}, story.user)

    assert (await settled(story, change)).state is ChangeState.SUCCEEDED
    assert (await story.store.releases.latest(app)).description == "Set DIE and Unset NOT config vars"


async def test_setting_again_what_is_under_way_waits_for_it(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    story.runner.gate = gate
    changes = [(await story.deploys.set_config(app, {"A": "1"}, story.user))[1] for _ in range(2)]
    gate.set_result(None)

    assert (await settled(story, changes[0])).state is ChangeState.SUCCEEDED
    assert changes[1] is not None
    assert changes[0] is not None
    assert changes[0].id == changes[1].id
    assert list(await story.statuses(app)) == ["v1", "v2", "v3"]


async def test_who_asks_a_new_daemon_for_an_old_change_waits_for_it(story: Story, app: App) -> None:
    change = await story.store.changes.create(app, None)  # the predecessor's
    waiting = story.nursery.start(story.deploys.wait_change(change.id, 50), name="wait")
    await asyncio.sleep(0)
    assert not waiting.done()

    await story.changes.settle(change.id, None)

    assert (await waiting).state is ChangeState.SUCCEEDED


async def test_config_changes_at_the_same_time_lose_nothing(story: Story, app: App) -> None:
    await asyncio.gather(*(story.deploys.set_config(app, {f"K{n}": str(n)}, story.user) for n in range(8)))

    assert dict(await story.store.config.of(app)) == {f"K{n}": str(n) for n in range(8)}


async def test_a_release_that_still_waits_is_expired_by_a_newer_one(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    story.runner.gate = gate
    story.runner.booting.clear()
    changes = [(await story.deploys.set_config(app, {"N": str(n)}, story.user))[1] for n in range(3)]
    await story.runner.booting.wait()
    gate.set_result(None)
    story.runner.gate = None

    ends = [await settled(story, change) for change in changes]

    assert [end.state for end in ends] == [ChangeState.SUCCEEDED] * 3
    assert [end.release_number for end in ends] == [3, 5, 5]  # who waited for v4 waited for v5
    assert await story.statuses(app) == {
        "v1": "succeeded", "v2": "succeeded", "v3": "succeeded", "v4": "expired", "v5": "succeeded",
    }  # fmt: skip
    assert "boot v4" not in story.runner.events


async def test_a_config_change_during_a_push_that_fails_runs_on_the_old_slug(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    story.runner.gate = gate
    story.runner.booting.clear()
    story.runner.failing = {3}
    push = asyncio.ensure_future(story.push(app, "bbbb"))
    await story.runner.booting.wait()
    _, change = await story.deploys.set_config(app, {"A": "1"}, story.user)
    gate.set_result(None)
    story.runner.gate = None
    with pytest.raises(BootFailed):
        await push

    end = await settled(story, change)

    assert (end.state, end.release_number) == (ChangeState.SUCCEEDED, 5)
    assert (await story.statuses(app))["v4"] == "expired"
    running = await story.live.running_release(app)
    assert running is not None
    assert running.slug_id == (await story.store.releases.find(app, 2)).slug_id


async def test_an_app_destroyed_while_it_builds_ends_the_push(story: Story, app: App) -> None:
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    story.builder.gate = gate
    push = asyncio.ensure_future(story.push(app, "aaaa"))
    await story.builder.building.wait()
    await story.apps.destroy(app)
    gate.set_result(None)

    with pytest.raises(PushdError, match="the app was destroyed meanwhile"):
        await push
    assert story.runner.events == ["stop app"]


@pytest.mark.parametrize("push_fails", [False, True])
async def test_a_config_change_behind_a_push_that_waits_for_its_turn(story: Story, app: App, push_fails: bool) -> None:
    await story.push(app, "aaaa")
    if push_fails:
        story.runner.failing = {4}
    async with story.live.turns.hold(app.id, why="a restart"):
        push = asyncio.ensure_future(story.push(app, "bbbb"))
        await asyncio.sleep(0)
        async for text in story.transcript.follow():
            if b"Waiting: a restart is under way" in text:
                break
        _, change = await story.deploys.set_config(app, {"A": "1"}, story.user)  # v3, in line behind what becomes v4
    with contextlib.suppress(BootFailed):
        await push

    end = await settled(story, change)

    assert (end.state, end.release_number) == (ChangeState.SUCCEEDED, 3 if push_fails else 4)
    statuses = await story.statuses(app)
    assert (statuses["v3"], statuses["v4"]) == (("succeeded", "failed") if push_fails else ("expired", "succeeded"))


async def test_a_failed_config_change_keeps_the_newest_values(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    story.runner.failing = {3}
    _, change = await story.deploys.set_config(app, {"BREAK": "1"}, story.user)

    end = await settled(story, change)

    assert end.state is ChangeState.FAILED
    assert "exited with status 1" in end.reason
    assert dict(await story.store.config.of(app)) == {"BREAK": "1"}
    running = await story.live.running_release(app)
    assert running is not None
    assert running.number == 2


async def test_rollback_restores_slug_and_config(story: Story, app: App) -> None:
    await story.deploys.set_config(app, {"COLOUR": "red"}, story.user)
    await story.push(app, "aaaa")
    await story.push(app, "bbbb")
    _, change = await story.deploys.set_config(app, {"COLOUR": "blue"}, story.user)
    await settled(story, change)

    release, change = await story.deploys.rollback(app, "v3", story.user)
    await settled(story, change)

    assert release.slug_id == (await story.store.releases.find(app, 3)).slug_id
    assert dict(await story.store.config.of(app)) == {"COLOUR": "red"}
    assert len(story.builder.started) == 2


@pytest.mark.parametrize(("to", "error"), [("v1", PushdError), ("v99", NotFound), ("none", PushdError), (None, Conflict)])
async def test_what_cannot_be_rolled_back_to(story: Story, app: App, to: str | None, error: type[Exception]) -> None:
    await story.push(app, "aaaa")
    with pytest.raises(error):
        await story.deploys.rollback(app, to, story.user)

    assert list(await story.statuses(app)) == ["v1", "v2"]


async def test_a_rollback_that_cannot_be_names_those_that_can(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    with pytest.raises(InvalidParams) as caught:
        await story.deploys.rollback(app, "v1", story.user)
    assert "There is none" in caught.value.remedy

    await story.push(app, "bbbb")
    await story.push(app, "cccc")
    with pytest.raises(InvalidParams) as caught:
        await story.deploys.rollback(app, "v1", story.user)
    assert caught.value.remedy == "One can roll back to v3, v2."


async def test_scaling_counts_steps_from_what_is_stored(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    await asyncio.gather(*(story.dynos.scale(app, [parse_quantity("web", "+1")], story.user) for _ in range(3)))

    assert await story.store.formation.quantities(app) == {"web": 4}


async def test_without_room_an_app_is_scaled_down_and_not_up(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    await story.dynos.scale(app, [parse_quantity("web", "3")], story.user)
    story.disk.reserve_bytes = 10**18

    for more in ("4", "+1"):
        with pytest.raises(DiskFull):
            await story.dynos.scale(app, [parse_quantity("web", more)], story.user)
    for less, left in (("-1", 2), ("2", 2), ("0", 0)):
        await story.dynos.scale(app, [parse_quantity("web", less)], story.user)
        assert await story.store.formation.quantities(app) == {"web": left}


async def test_scaling_an_unknown_type_changes_nothing(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    with pytest.raises(NotFound, match="process type"):
        await story.dynos.scale(app, [parse_quantity("web", "2"), parse_quantity("nobody", "1")], story.user)

    assert await story.store.formation.quantities(app) == {"web": 1}


async def test_a_waiting_push_is_told_and_superseded_by_a_newer_one(story: Story, app: App) -> None:
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    story.builder.gate = gate
    first = asyncio.ensure_future(story.push(app, "aaaa"))
    await story.builder.building.wait()
    second = asyncio.ensure_future(story.push(app, "bbbb"))
    await asyncio.sleep(0)
    third = asyncio.ensure_future(story.push(app, "cccc"))

    with pytest.raises(Superseded, match="superseded by cccc000"):
        await second
    gate.set_result(None)
    story.builder.gate = None
    assert (await first).name == "v2"
    assert (await third).name == "v3"
    assert [commit[:4] for commit in story.builder.started] == ["aaaa", "cccc"]


async def test_old_slugs_and_builds_are_forgotten_and_never_what_runs(story: Story, app: App) -> None:
    for commit in ("aaaa", "bbbb", "cccc", "dddd"):
        await story.push(app, commit)
    await story.nursery.settle()

    kept, _ = story.builder.pruned[-1]
    assert {checksum[:4] for checksum in kept} == {"cccc", "dddd"}
    assert len(await story.store.builds.list(app)) == 3


async def test_release_output_goes_with_its_slug(story: Story, app: App) -> None:
    story.builder.process_types = {"web": "serve", "release": "migrate"}
    releases = [await story.push(app, commit) for commit in ("aaaa", "bbbb", "cccc")]
    await story.nursery.settle()

    paths = [story.layout.release_output(app.id, release.id) for release in releases]
    assert [path.exists() for path in paths] == [False, True, True]


async def test_output_of_releases_of_one_slug_is_bounded_by_number(story: Story, app: App) -> None:
    story.builder.process_types = {"web": "serve", "release": "migrate"}
    for number in range(4):
        await story.deploys.set_config(app, {"N": str(number)}, story.user) if number else await story.push(app, "aaaa")
        await story.nursery.settle()
    await story.push(app, "bbbb")
    await story.nursery.settle()

    folder = story.layout.release_output(app.id, app.id).parent
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("printed", [None, "", "compiling", "compiling\n"])
async def test_a_build_that_died_with_the_daemon_says_so_once_where_one_looks(
    story: Story, app: App, printed: str | None
) -> None:
    build = await story.store.builds.create(app, user=story.user, commit="b" * 40, branch="master")
    if printed is not None:
        path = story.layout.build_output(app.id, build.id)
        path.parent.mkdir(parents=True)
        path.write_text(printed)
    told = " !     Failed: the server stopped during the build. Push again.\n"

    await story.outputs.end_build(app.id, build.id, told.rstrip("\n"))  # a start that was killed right behind it
    await story.resume.settle()

    before = (printed or "").strip()
    assert story.outputs_text(app, build.id) == (f"{before}\n{told}" if before else told)
    assert story.log.lines[-1:] == ["app[api]: Build or deploy of bbbbbbbb failed: the server stopped during the build"]


async def test_a_starting_daemon_settles_what_the_last_one_left(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    user = story.user
    build = await story.store.builds.create(app, user=user, commit="b" * 40, branch="master")
    slug_id = (await story.store.releases.find(app, 2)).slug_id
    died = await story.store.releases.create(
        app, slug_id=slug_id, process_types={"web": "serve"}, config=None, description="Deploy bbbb", user=user
    )
    await story.store.builds.update(build, release_id=died.id)
    waiting = await story.store.releases.create(
        app, slug_id=slug_id, process_types={"web": "serve"}, config={"A": "1"}, description="Set A config vars",
        user=user, phase_passed=True,
    )  # fmt: skip
    change = await story.store.changes.create(app, waiting.number)
    story.runner.events.clear()

    await story.resume.settle()
    await story.resume.announce()
    await story.resume.boot_all()
    await story.nursery.settle()

    assert story.router.events[-2:] == ["route booting", "refresh"]
    assert await story.statuses(app) == {"v1": "succeeded", "v2": "succeeded", "v3": "failed", "v4": "succeeded"}
    assert story.runner.events[0] == "keep trying v2"
    assert (await story.store.changes.find(change.id)).state is ChangeState.SUCCEEDED
    assert (await story.store.builds.find(app, build.id)).status.value == "failed"


async def test_pages_follow_a_config_change_and_a_release_that_went_live(story: Story, app: App) -> None:
    story.router.events.clear()
    await story.deploys.set_config(app, {"ERROR_PAGE_URL": "http://pages.example/"}, story.user)
    assert story.router.events == ["refresh"]  # nothing had to boot

    await story.push(app, "aaaa")
    assert story.router.events == ["refresh", "refresh"]


async def test_an_app_whose_releases_make_no_sense_keeps_no_other_one_from_its_visitors(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    other = await story.apps.create("other", story.user)
    with contextlib.closing(sqlite3.connect(story.layout.store)) as database, database:
        database.execute("DROP TRIGGER releases_do_not_change")  # the disk asks for no leave
        database.execute("UPDATE releases SET created_at = 'no time' WHERE app_id = ?", (str(app.id),))
    story.router.events.clear()

    await story.resume.adopt()
    await story.resume.announce()

    assert other.name == "other"
    assert sorted(story.router.events) == ["route blank", "route crashed"]


async def restart_daemon(story: Story) -> None:
    story.runner.events.clear()
    await story.resume.settle()
    await story.resume.boot_all()


async def test_a_starting_daemon_looks_how_the_last_ones_changes_ended(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    story.runner.failing = {3}
    _, ended = await story.deploys.set_config(app, {"DIE": "1"}, story.user)
    await settled(story, ended)
    make = story.store.changes.create
    failed, live, scaled = await make(app, 3), await make(app, 2), await make(app, None)

    await restart_daemon(story)

    assert (await settled(story, live)).state is ChangeState.SUCCEEDED
    end = await settled(story, failed)
    assert (end.state, end.reason.splitlines()[0]) == (ChangeState.FAILED, "v3 failed")
    assert (await story.deploys.wait_change(scaled.id, 0)).state is ChangeState.PENDING  # nothing is up yet
    assert story.runner.on_ready is not None
    assert story.runner.trying is not None
    await story.runner.on_ready(story.runner.trying)
    assert (await settled(story, scaled)).state is ChangeState.SUCCEEDED


async def test_a_change_whose_boot_does_not_come_up_after_a_restart_fails(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    await story.store.settings.set(app, {"boot-timeout-seconds": "1"})
    scaled = await story.store.changes.create(app, None)

    await restart_daemon(story)

    end = await settled(story, scaled)
    assert end.state is ChangeState.FAILED
    assert "did not come up within 1 seconds" in end.reason


async def test_a_push_that_was_live_when_the_daemon_died_is_a_build_that_succeeded(story: Story, app: App) -> None:
    release = await story.push(app, "aaaa")
    build = await story.store.builds.create(app, user=story.user, commit="a" * 40, branch="master")
    await story.store.builds.update(build, release_id=release.id)

    await restart_daemon(story)

    assert (await story.store.builds.find(app, build.id)).status.value == "succeeded"


async def test_what_an_earlier_daemon_was_about_to_replace_is_replaced_without_a_gap(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    await story.store.apps.bump_restarts(app)
    change = await story.store.changes.create(app, None)
    story.runner.adopts_older = True
    story.runner.events.clear()

    await story.resume.settle()
    await story.resume.adopt()
    await story.resume.announce()
    await story.resume.boot_all()

    assert story.router.events[-1] == "route serving"
    assert story.runner.events == ["adopt v2", "boot v2", "switch v2", "rest v2", "retire"]
    assert (await settled(story, change)).state is ChangeState.SUCCEEDED


async def test_a_restart_of_one_dyno_that_was_cut_short_is_done(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    change = await story.store.changes.create(app, None, ["web.1"])
    await story.resume.adopt()

    await restart_daemon(story)

    assert (await settled(story, change)).state is ChangeState.SUCCEEDED
    assert story.runner.events == ["keep trying v2", "rest v2", "restart web.1"]


async def test_a_release_that_waits_is_no_stand_in_for_itself_at_the_start(story: Story, app: App) -> None:
    story.runner.failing = {2}
    with pytest.raises(BootFailed):
        await story.push(app, "aaaa")
    slug_id = (await story.store.releases.find(app, 2)).slug_id
    await story.store.releases.create(
        app, slug_id=slug_id, process_types={"web": "serve"}, config={"A": "1"}, description="Set A config vars",
        user=story.user, phase_passed=True,
    )  # fmt: skip

    await story.resume.adopt()
    await restart_daemon(story)
    await story.nursery.settle()

    assert story.runner.adopted == {}
    assert story.runner.events == ["boot v3", "switch v3", "rest v3", "retire"]


async def test_what_cannot_be_replaced_serves_on(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    change = await story.store.changes.create(app, None)
    story.runner.adopts_older, story.runner.failing = True, {2}
    await story.resume.adopt()

    await restart_daemon(story)

    end = await settled(story, change)
    assert (end.state, end.reason.splitlines()[0]) == (ChangeState.FAILED, "web.1 exited with status 1")
    assert story.runner.events == ["boot v2", "rest v2"]


async def test_old_dynos_are_there_until_it_is_stored_that_they_are_not_needed(story: Story, app: App) -> None:
    release = await story.push(app, "aaaa")
    statuses: list[str] = []
    noted = story.runner.retire_soon

    def retire_soon(dynos: Sequence[Dyno]) -> None:
        noted(dynos)
        with sqlite3.connect(story.layout.store) as store:
            statuses.extend(row[0] for row in store.execute("SELECT status FROM releases ORDER BY number"))

    story.runner.retire_soon = retire_soon  # type: ignore[method-assign]
    await story.push(app, "bbbb")

    assert release.number == 2
    assert statuses == ["succeeded", "succeeded", "succeeded"]


async def test_a_daemon_that_stops_before_that_is_stored_leaves_the_old_dynos(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    story.runner.events.clear()
    storing = asyncio.Event()

    async def move(release: Release, event: ReleaseEvent) -> Release:
        storing.set()
        await asyncio.Event().wait()  # the disk is slow
        raise AssertionError("cancelled before")

    story.store.releases.move = move  # type: ignore[method-assign]
    push = story.nursery.start(story.push(app, "bbbb"), name="push")
    await storing.wait()
    push.cancel()
    await asyncio.wait([push])

    assert story.runner.events == ["boot v3", "switch v3"]


async def test_a_slug_released_by_name_is_resumed_whatever_its_description_says(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    story.runner.failing = {3}
    with pytest.raises(BootFailed):
        await story.push(app, "bbbb")
    story.runner.failing = set()
    await story.clock.advance(1)
    slug_id = (await story.store.releases.find(app, 3)).slug_id
    await story.store.releases.create(
        app, slug_id=slug_id, process_types={"web": "serve"}, config=None, description="Set A config vars", user=story.user
    )

    await restart_daemon(story)
    await story.nursery.settle()

    assert list((await story.statuses(app)).values()) == ["succeeded", "succeeded", "failed", "succeeded"]


async def test_the_log_tells_who_deployed_and_restarted_what(story: Story, app: App) -> None:
    await story.push(app, "aaaa")

    assert f"app[api]: Deploy aaaa0000 by user {story.user.email}" in story.log.lines


async def test_what_a_user_broke_is_no_error_in_the_daemons_log(
    story: Story, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    await story.push(app, "aaaa")
    story.runner.failing = {3}
    _, change = await story.deploys.set_config(app, {"DIE": "1"}, story.user)

    await settled(story, change)

    assert not [record for record in caplog.records if record.levelno > logging.INFO]


async def test_a_slug_that_is_not_kept_is_named_as_the_reason(story: Story, app: App) -> None:
    first = await story.push(app, "aaaa")
    await story.push(app, "bbbb")
    assert first.slug_id is not None
    await story.store.slugs.delete(await story.store.slugs.find(app, first.slug_id))

    with pytest.raises(InvalidParams, match="its slug is no longer kept"):
        await story.deploys.rollback(app, "v2", story.user)


async def test_a_push_that_a_stopping_daemon_cuts_off_does_not_go_live_later(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    story.runner.gate = asyncio.get_running_loop().create_future()
    story.runner.booting.clear()
    push = story.nursery.start(story.push(app, "bbbb"), name="push")
    await story.runner.booting.wait()
    push.cancel()
    await asyncio.wait([push])
    story.runner.gate = None
    story.runner.events.clear()

    await story.resume.settle()
    await story.resume.boot_all()
    await story.nursery.settle()

    assert await story.statuses(app) == {"v1": "succeeded", "v2": "succeeded", "v3": "failed"}
    assert {build.commit[:4]: build.status.value for build in await story.store.builds.list(app)} == {
        "aaaa": "succeeded", "bbbb": "failed",
    }  # fmt: skip
    assert story.runner.events == ["keep trying v2", "rest v2"]


async def test_a_daemon_killed_before_the_build_names_its_release_does_not_take_it_live(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    build = await story.store.builds.create(app, user=story.user, commit="b" * 40, branch="master")
    slug_id = (await story.store.releases.find(app, 2)).slug_id
    await story.store.builds.update(build, slug_id=slug_id)
    await story.store.releases.create(
        app, slug_id=slug_id, process_types={"web": "serve"}, config=None, description="Deploy bbbb", user=story.user
    )

    await story.resume.settle()
    await story.resume.boot_all()
    await story.nursery.settle()

    assert (await story.statuses(app))["v3"] == "failed"


async def test_a_destroyed_app_leaves_no_folder(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    await story.apps.destroy(app)
    await story.nursery.settle()

    assert not [folder for folder in story.layout.folders_of(app.id) if folder.exists()]
    with pytest.raises(NotFound):
        await story.store.apps.find("blog")
