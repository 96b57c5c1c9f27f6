from __future__ import annotations

import logging

import pytest

from pushd.model.app import App
from pushd.model.slug import Slug
from pushd.story.soundness import Soundness
from tests.story.conftest import Story


class FakeShelf:
    """Finds what it is told; notes what was looked at, and how."""

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}
        self.looked: list[tuple[str, bool]] = []

    async def fault(self, slug: Slug, *, thoroughly: bool) -> str:
        self.looked.append((slug.commit[:4], thoroughly))
        return self.faults.get(slug.commit[:4], "")


async def test_what_runs_is_read_through_after_the_machine_was_started_anew(story: Story, app: App) -> None:
    for commit in ("aaaa", "bbbb"):
        await story.push(app, commit)
    shelf = FakeShelf()
    soundness = Soundness(store=story.store, live=story.live, shelf=shelf, app_log=story.log)

    await soundness.check("boot 1")
    await soundness.check("boot 1")
    await soundness.check("boot 2")

    assert sorted(shelf.looked[:2]) == [("aaaa", False), ("bbbb", True)]
    assert sorted(shelf.looked[2:4]) == [("aaaa", False), ("bbbb", False)]
    assert sorted(shelf.looked[4:]) == [("aaaa", False), ("bbbb", True)]


async def test_what_is_damaged_is_told_with_what_to_do(story: Story, app: App, caplog: pytest.LogCaptureFixture) -> None:
    await story.push(app, "aaaa")
    shelf = FakeShelf()
    shelf.faults["aaaa"] = "its files are gone (/data/slugs/x)"

    with caplog.at_level(logging.ERROR):
        await Soundness(store=story.store, live=story.live, shelf=shelf, app_log=story.log).check("boot 1")

    assert story.log.lines[-1] == (
        "app[api]: The slug that runs is damaged: its files are gone (/data/slugs/x). "
        "Push its commit again: git commit --allow-empty -m again && git push"
    )
    assert [record.message for record in caplog.records] == ["slug damaged"]
