"""What has happened is told at once, and stored as soon as the disk has room."""

from __future__ import annotations

import asyncio

from pushd.model.app import App
from pushd.model.change import ChangeState
from pushd.model.pipeline import PromotionStatus, Stage
from pushd.model.release import ReleaseStatus
from pushd.story.verdicts import PAUSE_SECONDS
from tests.fakes import FakeClock
from tests.story.conftest import Disk, Story


async def fill_during_the_boot(story: Story, disk: Disk, gate: asyncio.Event) -> None:
    await story.runner.booting.wait()
    disk.full = True
    gate.set()


async def make_room(story: Story, disk: Disk, clock: FakeClock) -> None:
    await clock.advance(PAUSE_SECONDS)  # tried again, and still full
    disk.full = False
    await clock.advance(PAUSE_SECONDS)
    await story.nursery.settle()


async def test_a_push_that_is_live_is_told_so(story: Story, app: App, disk: Disk, clock: FakeClock) -> None:
    gate = asyncio.Event()
    story.runner.gate = gate.wait()
    push = story.nursery.start(story.push(app, "aaaa"), name="push")
    await fill_during_the_boot(story, disk, gate)

    assert (await push).status is ReleaseStatus.SUCCEEDED

    assert await story.statuses(app) == {"v1": "succeeded", "v2": "pending"}
    await make_room(story, disk, clock)
    assert await story.statuses(app) == {"v1": "succeeded", "v2": "succeeded"}
    assert (await story.store.apps.find("blog")).released_at is not None
    assert (await story.store.builds.list(app))[0].status.value == "succeeded"


async def test_who_waits_for_a_change_hears_of_its_end(story: Story, app: App, disk: Disk, clock: FakeClock) -> None:
    await story.push(app, "aaaa")
    gate, story.runner.booting = asyncio.Event(), asyncio.Event()
    story.runner.gate, story.runner.failing = gate.wait(), {3}
    _, change = await story.deploys.set_config(app, {"A": "1"}, story.user)
    assert change is not None
    waiting = story.nursery.start(story.deploys.wait_change(change.id, 50), name="wait")
    await fill_during_the_boot(story, disk, gate)

    told = await waiting

    assert (told.state, told.release_number) == (ChangeState.FAILED, 3)
    assert "exited with status 1" in told.reason
    assert await story.deploys.wait_change(change.id, 50) == told  # asked again: at once
    assert (await story.store.changes.find(change.id)).state is ChangeState.PENDING
    await make_room(story, disk, clock)
    assert (await story.store.changes.find(change.id)).state is ChangeState.FAILED
    assert await story.statuses(app) == {"v1": "succeeded", "v2": "succeeded", "v3": "failed"}


async def test_a_promotion_that_failed_is_told_so_later(story: Story, app: App, disk: Disk, clock: FakeClock) -> None:
    pipeline = await story.store.pipelines.create("line", story.user)
    target = await story.apps.create("target", story.user)
    for each, stage in ((app, Stage.STAGING), (target, Stage.PRODUCTION)):
        await story.store.pipelines.couple(each, pipeline, stage)
    await story.push(app, "aaaa")
    story.builder.fails = True
    promotion = await story.promotions.promote(pipeline, app, None, [target], story.user)
    disk.full = True

    await make_room(story, disk, clock)

    (ended,) = (await story.promotions.find(str(promotion.id))).targets
    assert (ended.status, ended.error_message) == (PromotionStatus.FAILED, "no room")
