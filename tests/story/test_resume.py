"""What a starting daemon settles when the disk is full, or when a record of one app cannot be read."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

from pushd.model.app import App
from pushd.model.build import Build, BuildStatus
from pushd.model.release import Release
from pushd.resume import STOPPED
from pushd.story.soundness import Soundness
from pushd.story.verdicts import PAUSE_SECONDS
from tests.fakes import FakeClock
from tests.story.conftest import Disk, Story
from tests.story.test_soundness import FakeShelf


async def cut_short(story: Story, app: App) -> tuple[Build, Release]:
    """A build that has its release when the daemon is killed."""
    build = await story.store.builds.create(app, user=story.user, commit="b" * 40, branch="master")
    slug_id = (await story.store.releases.find(app, 2)).slug_id
    release = await story.store.releases.create(
        app, slug_id=slug_id, process_types={"web": "serve"}, config=None, description="Deploy bbbb", user=story.user
    )
    return await story.store.builds.update(build, release_id=release.id), release


async def test_on_a_full_disk_nothing_that_was_cut_short_goes_live(
    story: Story, app: App, disk: Disk, clock: FakeClock
) -> None:
    await story.push(app, "aaaa")
    build, _ = await cut_short(story, app)
    story.runner.events.clear()
    disk.full = True

    await story.resume.settle()
    booting = story.nursery.start(story.resume.boot_all(), name="boot all apps")
    while len(story.runner.events) < 2:  # noqa: ASYNC110 - the runner tells nobody
        await asyncio.sleep(0)
    await clock.advance(PAUSE_SECONDS)

    assert story.runner.events == ["keep trying v2", "rest v2"]  # what ran runs again, room or not
    assert await story.statuses(app) == {"v1": "succeeded", "v2": "succeeded", "v3": "pending"}
    disk.full = False
    await clock.advance(PAUSE_SECONDS)
    await booting
    await story.nursery.settle()
    assert await story.statuses(app) == {"v1": "succeeded", "v2": "succeeded", "v3": "failed"}
    ended = await story.store.builds.find(app, build.id)
    assert (ended.status, ended.reason) == (BuildStatus.FAILED, STOPPED)
    assert story.runner.events == ["keep trying v2", "rest v2"]


async def test_promotions_that_were_cut_short_are_settled_once_there_is_room(
    story: Story, app: App, disk: Disk, clock: FakeClock
) -> None:
    pipeline = await story.store.pipelines.create("line", story.user)
    target = await story.apps.create("target", story.user)
    await story.push(app, "aaaa")
    release = await story.store.releases.latest(app)
    promotion = await story.store.promotions.create(pipeline, app, release, [target])
    disk.full = True

    await story.promotions.settle()
    disk.full = False
    later = await story.store.promotions.create(pipeline, app, release, [target])  # of this daemon
    await clock.advance(PAUSE_SECONDS)
    await story.nursery.settle()

    assert "Promote again" in str((await story.store.promotions.find(promotion.id)).targets[0].error)
    assert (await story.store.promotions.find(later.id)).targets[0].error == ""


async def test_a_release_whose_build_has_failed_is_not_taken_live(story: Story, app: App) -> None:
    """The disk was full for the release's end, and was not for the build's; then the daemon was killed."""
    await story.push(app, "aaaa")
    build, _ = await cut_short(story, app)
    await story.store.builds.update(build, status=BuildStatus.FAILED, reason="web.1 exited with status 1")

    await story.resume.settle()
    await story.resume.boot_all()
    await story.nursery.settle()

    assert await story.statuses(app) == {"v1": "succeeded", "v2": "succeeded", "v3": "failed"}
    assert (await story.store.builds.find(app, build.id)).reason == "web.1 exited with status 1"


async def test_an_app_whose_records_cannot_be_read_holds_up_no_step_of_the_start(story: Story, app: App) -> None:
    other = await story.apps.create("other", story.user)
    for each in (app, other):
        await story.push(each, "aaaa")
    build, _ = await cut_short(story, other)
    await cut_short(story, app)
    with contextlib.closing(sqlite3.connect(story.layout.store)) as database, database:
        database.execute("DROP TRIGGER releases_do_not_change")  # the disk asks for no leave
        database.execute("UPDATE releases SET created_at = 'no time' WHERE app_id = ?", (str(app.id),))
    left = story.layout.build_output(other.id, app.id)  # of no build and no release
    left.write_text("what a forgotten build printed")
    shelf = FakeShelf()

    await story.resume.settle()
    await story.retention.sweep()
    await story.resume.boot_all()
    await Soundness(store=story.store, live=story.live, shelf=shelf, app_log=story.log).check("boot 1")
    await asyncio.wait_for(story.nursery.settle(), 20)

    assert (await story.store.builds.find(other, build.id)).status is BuildStatus.FAILED
    assert not left.exists()
    assert shelf.looked == [("aaaa", True)]


async def test_an_app_whose_settings_cannot_be_read_leaves_the_logs_of_others_bounded(story: Story, app: App) -> None:
    other = await story.apps.create("other", story.user)
    with contextlib.closing(sqlite3.connect(story.layout.store)) as database, database:
        database.execute("INSERT INTO app_settings (app_id, name, value) VALUES (?, 'log-limit-mb', 'much')", (str(app.id),))
    story.log.limits.clear()

    await story.apps.limit_logs()

    assert list(story.log.limits) == [other.id]
