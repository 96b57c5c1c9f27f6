"""Builds of archives in the story of a push, and builds that are cancelled."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from pushd.errors import Conflict, NotFound, PushdError, Unavailable
from pushd.kit.transcript import Transcript
from pushd.model.app import App
from pushd.model.build import Build, BuildStatus
from pushd.model.source import Archive
from pushd.story import stops
from pushd.story.stops import BuildCancelled
from tests.story.conftest import FakeSource, Story


async def build_of(story: Story, app: App, version: str) -> tuple[Build, asyncio.Task[object]]:
    """A build of an archive, started in the background."""
    archive = Archive(url="https://example.com/a.tgz", upload=None, version=version, description="of an archive")
    build = await story.store.builds.create_of_archive(app, archive, story.user)
    transcript: Transcript = story.outputs.open_build(app.id, build.id)

    async def work() -> object:
        try:
            return await story.deploys.build(app, build, FakeSource(version), user=story.user, transcript=transcript)
        finally:
            transcript.close()

    return build, story.nursery.start(work(), name=version, expected=PushdError)


async def status_of(story: Story, app: App, build_id: UUID) -> tuple[BuildStatus, str]:
    build = await story.store.builds.find(app, build_id)
    return build.status, build.reason


async def test_an_archive_goes_live_as_a_push_does(story: Story, app: App) -> None:
    build, work = await build_of(story, app, "v1.3.0")
    await work

    found = await story.store.builds.find(app, build.id)
    assert (found.status, found.commit, found.source_url) == (BuildStatus.SUCCEEDED, "v1.3.0", "https://example.com/a.tgz")
    release = await story.store.releases.latest(app)
    assert (release.description, found.release_id) == ("Deploy v1.3.0", release.id)
    assert "v2 is live" in story.outputs_text(app, build.id)


async def test_a_build_under_way_is_cancelled_and_the_next_one_goes_on(story: Story, app: App) -> None:
    story.builder.gate = asyncio.Event().wait()  # for ever
    first, working = await build_of(story, app, "one")
    await story.builder.building.wait()
    second, waiting = await build_of(story, app, "two")
    await asyncio.sleep(0)
    story.builder.gate = None

    cancelled = await story.deploys.cancel_build(app, str(first.id), story.user)

    assert (cancelled.status, cancelled.reason) == (BuildStatus.FAILED, "cancelled")
    with pytest.raises(BuildCancelled):
        await working
    await waiting
    assert await status_of(story, app, second.id) == (BuildStatus.SUCCEEDED, "")
    assert await story.statuses(app) == {"v1": "succeeded", "v2": "succeeded"}
    assert "app[api]: Build cancelled by user admin@localhost" in story.log.lines


async def test_a_push_is_cancelled_too(story: Story, app: App) -> None:
    story.builder.gate = asyncio.Event().wait()
    push = story.nursery.start(story.push(app, "aaaa"), name="push", expected=PushdError)
    await story.builder.building.wait()
    build = (await story.store.builds.list(app))[0]

    await story.deploys.cancel_build(app, str(build.id), story.user)

    with pytest.raises(BuildCancelled, match="cancelled"):
        await push
    story.builder.gate = None
    assert (await story.push(app, "bbbb")).name == "v2"


async def test_the_builds_of_an_app_end_with_it(story: Story, app: App) -> None:
    story.builder.gate = asyncio.Event().wait()  # for ever
    _, working = await build_of(story, app, "one")
    await story.builder.building.wait()
    _, waiting = await build_of(story, app, "two")
    await asyncio.sleep(0)

    await story.apps.destroy(app)

    for build in (waiting, working):
        with pytest.raises(Conflict, match="destroyed meanwhile"):
            await build
    assert story.builder.started == ["one"]


async def test_a_build_that_waits_is_cancelled_where_it_stands(story: Story, app: App) -> None:
    gate = asyncio.Event()
    story.builder.gate = gate.wait()
    _, working = await build_of(story, app, "one")
    await story.builder.building.wait()
    second, waiting = await build_of(story, app, "two")
    await asyncio.sleep(0)

    await story.deploys.cancel_build(app, str(second.id), story.user)

    assert await status_of(story, app, second.id) == (BuildStatus.FAILED, "cancelled")
    assert waiting.done()
    gate.set()
    await working
    assert story.builder.started == ["one"]


async def test_a_newer_build_takes_the_place_of_one_that_waits(story: Story, app: App) -> None:
    gate = asyncio.Event()
    story.builder.gate = gate.wait()
    _, working = await build_of(story, app, "one")
    await story.builder.building.wait()
    second, _ = await build_of(story, app, "two")
    await asyncio.sleep(0)
    story.builder.gate = None
    _, newest = await build_of(story, app, "three")
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(working, newest)

    assert await status_of(story, app, second.id) == (BuildStatus.FAILED, "superseded by three")


async def test_who_cancels_waits_so_long_and_no_longer(story: Story, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stops, "_STOP_SECONDS", 0.0)
    story.builder.gate = asyncio.Event().wait()
    build, working = await build_of(story, app, "one")
    await story.builder.building.wait()

    with pytest.raises(Unavailable, match="has not ended yet"):
        await story.deploys.cancel_build(app, str(build.id), story.user)

    with pytest.raises(BuildCancelled):
        await working


async def test_what_is_booting_or_over_cannot_be_cancelled(story: Story, app: App) -> None:
    gate = asyncio.Event()
    story.runner.gate = gate.wait()
    build, working = await build_of(story, app, "one")
    await story.runner.booting.wait()
    with pytest.raises(Conflict, match="release is under way"):
        await story.deploys.cancel_build(app, str(build.id), story.user)
    gate.set()
    await working

    with pytest.raises(Conflict, match="has ended"):
        await story.deploys.cancel_build(app, str(build.id), story.user)
    with pytest.raises(NotFound):
        await story.deploys.cancel_build(app, "none", story.user)
    assert await status_of(story, app, build.id) == (BuildStatus.SUCCEEDED, "")


async def test_a_stopping_daemon_leaves_the_build_to_the_next_one(story: Story, app: App) -> None:
    story.builder.gate = asyncio.Event().wait()
    build, working = await build_of(story, app, "one")
    await story.builder.building.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert (await status_of(story, app, build.id))[0] is BuildStatus.PENDING

    await story.resume.settle()

    assert await status_of(story, app, build.id) == (BuildStatus.FAILED, "the server stopped during the build")
