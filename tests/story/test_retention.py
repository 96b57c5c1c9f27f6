"""What is kept of the past, by count and by bytes."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from pushd.errors import NotFound
from pushd.layout import Layout
from pushd.model.app import App
from pushd.model.slug import Slug
from pushd.story.disk import DiskReserve
from pushd.story.outputs import Outputs
from pushd.story.retention import plan_slugs
from pushd.story.uploads import Uploads
from tests.fakes import FakeClock
from tests.story.conftest import Story

APP = UUID(int=1)


def slugs(*needed: tuple[int, str]) -> list[Slug]:
    """Newest first, by size and environment."""
    now = FakeClock().now()
    return [
        Slug(
            id=UUID(int=number), app_id=APP, checksum=str(number), environment=environment, commit="", commit_description="",
            process_types={}, buildpack_description="", size_bytes=size, created_at=now - timedelta(minutes=number),
        )
        for number, (size, environment) in enumerate(needed)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("count", "limit", "kept"),
    [
        (10, 1000, 5),
        (3, 1000, 3),
        (10, 100 + 50 + 10 + 10 + 10, 3),  # the environment that three share counts once
        (10, 100 + 50 + 10 + 10 + 10 + 69, 3),
        (10, 100 + 50 + 10 + 10 + 10 + 70, 4),
        (10, 1, 2),  # what runs, and what one goes back to
        (1, 1, 1),
    ],
)
def test_slugs_are_kept_by_count_and_by_bytes(count: int, limit: int, kept: int) -> None:
    newest = slugs((110, "a"), (10, "a"), (10, "a"), (20, "b"), (500, ""))

    plan = plan_slugs(newest, count=count, limit_bytes=limit, environment_bytes={"a": 50, "b": 50})

    assert plan == newest[:kept]


async def test_old_releases_are_forgotten_but_none_that_one_may_need(story: Story, app: App) -> None:
    """Eight are kept here: v1 and v2 to v4 go, but v3, the newest of a slug that is kept."""
    await story.push(app, "aaaa")
    await story.deploys.set_config(app, {"A": "0"}, story.user)
    await story.nursery.settle()
    await story.push(app, "bbbb")
    for number in range(8):
        await story.deploys.set_config(app, {"A": str(number + 1)}, story.user)
        await story.nursery.settle()

    assert list(await story.statuses(app)) == ["v3", *(f"v{number}" for number in range(5, 13))]
    with pytest.raises(NotFound):
        await story.store.releases.find(app, "v2")
    first = (await story.store.builds.list(app))[-1]
    assert first.release_id is None
    release, _ = await story.deploys.rollback(app, "v3", story.user)
    await story.nursery.settle()
    assert (release.name, (await story.store.config.of(app))["A"]) == ("v13", "0")


async def test_what_runs_is_kept_however_old(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    story.runner.failing = set(range(3, 20))
    for number in range(12):
        await story.deploys.set_config(app, {"A": str(number)}, story.user)
        await story.nursery.settle()

    assert (await story.statuses(app))["v2"] == "succeeded"
    running = await story.live.running_release(app)
    assert running is not None
    assert running.name == "v2"


def output(layout: Layout, name: str, size: int, minute: int) -> Path:
    path = layout.outputs(APP) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (minute * 60, minute * 60))
    return path


async def test_the_oldest_outputs_go_when_they_take_too_much(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    outputs = Outputs(layout)
    oldest, old = output(layout, "releases/1.txt", 400_000, 1), output(layout, "builds/2.txt", 400_000, 2)
    new, newest = output(layout, "builds/3.txt", 400_000, 3), output(layout, "builds/4.txt", 400_000, 4)

    await outputs.trim(APP, 1_000_000)
    assert [path.exists() for path in (oldest, old, new, newest)] == [False, False, True, True]

    await outputs.trim(APP, 1000)
    assert [path.exists() for path in (new, newest)] == [False, True]


async def test_an_output_that_is_being_written_stays(tmp_path: Path) -> None:
    outputs = Outputs(Layout(tmp_path))
    live = outputs.open_build(APP, UUID(int=1))
    live.write(b"x" * 100_000)
    newer = output(Layout(tmp_path), "builds/2.txt", 100_000, 1 << 30)

    await outputs.trim(APP, 1000)

    assert (live.path.exists(), newer.exists()) == (True, True)
    live.close()
    await outputs.trim(APP, 1000)
    assert not live.path.exists()


async def test_half_an_upload_of_a_killed_daemon_goes_at_the_start(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.make()
    uploads = Uploads(layout, DiskReserve(tmp_path, 0), limit_bytes=1000)
    uploads.scratch().write_bytes(b"half")
    (layout.uploads / str(APP)).write_bytes(b"whole")

    await uploads.clear_unfinished()

    assert [path.name for path in layout.uploads.iterdir()] == [str(APP)]
