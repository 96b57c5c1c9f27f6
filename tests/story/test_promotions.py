"""What a promotion does to its targets, and what is told of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import uuid4

import pytest

from pushd.errors import Conflict, InvalidParams, NotFound
from pushd.model.app import App
from pushd.model.pipeline import Pipeline, Promotion, PromotionStatus, PromotionTarget, Stage
from tests.story.conftest import Story


@dataclass
class Line:
    """A pipeline of two apps; staging has been pushed to."""

    story: Story
    pipeline: Pipeline
    staging: App
    production: App

    async def promote(self, *targets: App, release: str | None = None) -> Promotion:
        return await self.story.promotions.promote(
            self.pipeline, self.staging, release, targets or (self.production,), self.story.user
        )

    async def ended(self, promotion: Promotion) -> PromotionTarget:
        """The first target, once all that was begun has ended."""
        await self.story.nursery.settle()
        return (await self.story.store.promotions.find(promotion.id)).targets[0]


@pytest.fixture
async def line(story: Story) -> Line:
    pipeline = await story.store.pipelines.create("blog", story.user)
    apps = [await story.apps.create(name, story.user) for name in ("blog-staging", "blog")]
    for app, stage in zip(apps, (Stage.STAGING, Stage.PRODUCTION), strict=True):
        await story.store.pipelines.couple(app, pipeline, stage)
    await story.push(apps[0], "aaaa")
    return Line(story, pipeline, *apps)


async def test_the_target_gets_a_release_of_the_same_commit_and_nothing_is_built(line: Line) -> None:
    await line.story.deploys.set_config(line.production, {"STAGE": "production"}, line.story.user)

    promotion = await line.promote()
    assert not promotion.is_completed
    target = await line.ended(promotion)

    release = await line.story.store.releases.latest(line.production)
    assert (target.status, target.release_id, target.error_message) == (PromotionStatus.SUCCEEDED, release.id, None)
    assert release.description == "Promote blog-staging v2 aaaa0000"
    assert dict(await line.story.store.releases.config_vars(release)) == {"STAGE": "production"}
    assert line.story.builder.started == ["aaaa".ljust(40, "0")]
    assert line.story.builder.pruned  # old slugs of the target go, as after a push
    assert (await line.story.store.promotions.find(promotion.id)).is_completed


async def test_the_release_phase_of_the_target_decides(line: Line) -> None:
    line.story.builder.process_types = {"web": "serve", "release": "migrate"}
    await line.story.push(line.staging, "bbbb")
    line.story.runner.phase_code = 1

    target = await line.ended(await line.promote())

    assert target.status is PromotionStatus.FAILED
    assert target.error_message == "release phase exited with status 1"
    assert (await line.story.store.releases.latest(line.production)).id == target.release_id


async def test_one_target_that_fails_holds_up_no_other(line: Line) -> None:
    other = await line.story.apps.create("blog-eu", line.story.user)
    await line.story.store.pipelines.couple(other, line.pipeline, Stage.PRODUCTION)
    await line.story.apps.destroy(line.production)

    with pytest.raises(InvalidParams, match="not in the pipeline"):
        await line.promote(line.production, other)
    assert (await line.ended(await line.promote(other))).status is PromotionStatus.SUCCEEDED


async def test_a_slug_that_cannot_be_taken_over_is_told_and_makes_no_release(line: Line) -> None:
    line.story.builder.fails = True

    target = await line.ended(await line.promote())

    assert (target.status, target.error_message, target.release_id) == (PromotionStatus.FAILED, "no room", None)
    assert await line.story.statuses(line.production) == {"v1": "succeeded"}


async def test_an_older_release_can_be_named(line: Line) -> None:
    await line.story.push(line.staging, "bbbb")

    await line.ended(await line.promote(release="v2"))

    assert (await line.story.store.releases.latest(line.production)).description == "Promote blog-staging v2 aaaa0000"


async def test_what_can_never_be_promoted_is_refused_at_once(line: Line, story: Story) -> None:
    stranger = await story.apps.create("stranger", story.user)

    for targets in ((line.staging,), (line.production, line.production), (stranger,)):
        with pytest.raises(InvalidParams):
            await line.promote(*targets)
    with pytest.raises(InvalidParams):
        await story.promotions.promote(line.pipeline, line.staging, None, (), story.user)
    with pytest.raises(Conflict, match="no release to promote"):
        await story.promotions.promote(line.pipeline, line.production, None, (line.staging,), story.user)
    with pytest.raises(NotFound):
        await line.promote(release=str(uuid4()))
    assert await story.statuses(line.production) == {"v1": "succeeded"}


async def test_a_daemon_that_died_before_the_release_was_made_leaves_a_failed_target(line: Line) -> None:
    store = line.story.store
    release = await store.releases.latest(line.staging)
    promotion = await store.promotions.create(line.pipeline, line.staging, release, [line.production])

    await line.story.promotions.settle()

    target = (await store.promotions.find(promotion.id)).targets[0]
    assert target.status is PromotionStatus.FAILED
    assert "Promote again" in str(target.error_message)


async def test_a_daemon_that_died_right_after_the_release_was_made_finds_it(line: Line) -> None:
    story, store = line.story, line.story.store
    release = await store.releases.latest(line.staging)
    assert release.slug_id
    promotion = await store.promotions.create(line.pipeline, line.staging, release, [line.production])
    adopted = await story.builder.adopt(line.production, await store.slugs.find(line.staging, release.slug_id))
    await store.promotions.note(promotion.targets[0], slug_id=adopted.id)
    made, _ = await story.deploys.release_slug(line.production, str(adopted.id), "Promote", story.user)

    await story.promotions.settle()

    target = await line.ended(promotion)
    assert (target.release_id, target.status) == (made.id, PromotionStatus.SUCCEEDED)


async def test_an_app_that_goes_meanwhile_takes_its_target_along(line: Line, story: Story) -> None:
    gate = asyncio.Event()
    story.runner.gate = gate.wait()
    story.runner.booting.clear()
    promotion = await line.promote()
    await story.runner.booting.wait()

    await story.apps.destroy(line.production)
    gate.set()
    await story.nursery.settle()

    assert (await story.store.promotions.find(promotion.id)).targets == ()
