"""Builds of all apps share the machine: who goes first, who is told what, and that no slot is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import uuid4

import pytest

from pushd.errors import BuildFailed, PushdError, Superseded
from pushd.kit.aio import Nursery
from pushd.model.app import App
from pushd.model.build import BuildStatus
from pushd.story.stops import BuildCancelled
from pushd.story.turns import BuildSlots, PushQueue
from tests.story.conftest import Story


class Line:
    """Builds that want a slot: what each was told, and in which order they began."""

    def __init__(self, slots: BuildSlots, nursery: Nursery) -> None:
        self.slots, self.nursery = slots, nursery
        self.told: dict[str, list[str]] = {}
        self.began: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    async def join(self, name: str) -> asyncio.Task[None]:
        self.told[name], self.gates[name] = [], asyncio.Event()
        task = self.nursery.start(self._build(name, self.told[name].append), name=name, expected=BuildFailed)
        await asyncio.sleep(0)
        return task

    async def end(self, name: str) -> None:
        self.gates[name].set()
        for _ in range(5):
            await asyncio.sleep(0)

    async def _build(self, name: str, say: Callable[[str], None]) -> None:
        async with self.slots.hold(say):
            self.began.append(name)
            await self.gates[name].wait()
            if name.startswith("bad"):
                raise BuildFailed("it is bad")


async def test_builds_over_the_limit_wait_in_order_and_are_told_their_position() -> None:
    async with Nursery("builds") as nursery:
        line = Line(BuildSlots(2), nursery)
        for name in ("a", "bad", "c", "d", "e"):
            await line.join(name)
        assert line.began == ["a", "bad"]

        await line.end("bad")
        assert line.began == ["a", "bad", "c"]
        for name in ("a", "c", "d", "e"):
            await line.end(name)

        assert line.began == ["a", "bad", "c", "d", "e"]
        assert line.told == {
            "a": [],
            "bad": [],
            "c": ["-----> Waiting: 2 builds of other apps are under way; position 1 in line"],
            "d": ["-----> Waiting: 2 builds of other apps are under way; position 2 in line", "       position 1 in line"],
            "e": [
                "-----> Waiting: 2 builds of other apps are under way; position 3 in line",
                "       position 2 in line",
                "       position 1 in line",
            ],
        }


async def test_who_is_cancelled_in_line_leaves_it_and_takes_no_slot() -> None:
    async with Nursery("builds") as nursery:
        line = Line(BuildSlots(1), nursery)
        tasks = {name: await line.join(name) for name in ("a", "b", "c")}
        tasks["b"].cancel()
        await asyncio.sleep(0)
        assert line.told["c"][-1] == "       position 1 in line"

        line.gates["a"].set()
        await asyncio.sleep(0)
        tasks["c"].cancel()  # its turn has come, and it does not know yet
        await line.join("d")
        await line.end("d")

        assert line.began == ["a", "d"]
        assert tasks["b"].cancelled()
        assert tasks["c"].cancelled()
        await line.end((await line.join("e")).get_name().rpartition("/")[2])
        assert line.began[-1] == "e"


async def test_a_build_that_ends_just_as_the_next_in_line_is_cancelled_passes_it_over() -> None:
    async with Nursery("builds") as nursery:
        line = Line(BuildSlots(1), nursery)
        tasks = {name: await line.join(name) for name in ("a", "b", "c")}

        line.gates["a"].set()  # both of them run in the next turn of the loop, `a` first
        tasks["b"].cancel()
        await line.end("c")

        assert tasks["a"].exception() is None
        assert tasks["b"].cancelled()
        assert line.began == ["a", "c"]
        await line.join("d")
        await line.end("d")
        assert line.began == ["a", "c", "d"]


async def test_a_push_takes_the_place_of_one_that_was_just_cancelled() -> None:
    queue, app_id, gate = PushQueue(), uuid4(), asyncio.Event()

    async def push(label: str) -> None:
        async with queue.turn(app_id, label, lambda _: None):
            await gate.wait()

    async with Nursery("pushes") as nursery:
        first, second = nursery.start(push("a"), name="a"), nursery.start(push("b"), name="b")
        await asyncio.sleep(0)
        third = nursery.start(push("c"), name="c")
        second.cancel()  # `c` runs before the task of `b` does
        await asyncio.sleep(0)
        assert second.cancelled()
        gate.set()
        await asyncio.gather(first, third)


async def apps_of(story: Story, *names: str) -> list[App]:
    return [await story.apps.create(name, story.user) for name in names]


async def until_told(story: Story, text: str) -> None:
    async for said in story.transcript.follow():
        if text.encode() in said:
            return
    raise AssertionError(f"never told: {text}")


async def test_an_app_that_is_pushed_again_and_again_lets_others_have_their_turn(story: Story) -> None:
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    story.builder.gate = gate
    busy, other, third = await apps_of(story, "busy", "other", "third")
    pushes = [story.nursery.start(story.push(app, commit), name=commit) for app, commit in ((busy, "a1"), (other, "b1"))]
    await asyncio.sleep(0)
    pushes.append(story.nursery.start(story.push(third, "c1"), name="c1"))
    await asyncio.sleep(0)
    await until_told(story, "Waiting: 2 builds of other apps are under way; position 1 in line")
    pushes.append(story.nursery.start(story.push(busy, "a2"), name="a2"))
    await asyncio.sleep(0)
    await until_told(story, "The push of a100000 is being deployed; this one is next in line")
    gate.set_result(None)
    await asyncio.gather(*pushes)

    assert [commit.rstrip("0") for commit in story.builder.started] == ["a1", "b1", "c1", "a2"]


async def test_a_push_in_line_has_a_record_and_can_be_cancelled(story: Story, app: App) -> None:
    story.builder.gate = asyncio.Event().wait()  # for ever
    first = story.nursery.start(story.push(app, "aaaa"), name="first", expected=PushdError)
    await story.builder.building.wait()
    second = story.nursery.start(story.push(app, "bbbb"), name="second", expected=PushdError)
    await asyncio.sleep(0)
    await until_told(story, "this one is next in line")
    (waiting,) = [each for each in await story.store.builds.list(app) if each.commit.startswith("bbbb")]
    assert waiting.status is BuildStatus.PENDING
    assert "next in line" in story.outputs_text(app, waiting.id)

    await story.deploys.cancel_build(app, str(waiting.id), story.user)

    with pytest.raises(BuildCancelled):
        await second
    assert not first.done()
    first.cancel()


async def test_a_push_that_waits_for_a_slot_is_cancelled_and_leaves_the_line(story: Story) -> None:
    story.builder.gate = asyncio.get_running_loop().create_future()  # for ever
    apps = await apps_of(story, "one", "two", "three")
    pushes = []
    for app in apps:
        pushes.append(story.nursery.start(story.push(app, "aaaa"), name=app.name, expected=PushdError))
        await asyncio.sleep(0)
    await until_told(story, "position 1 in line")
    waiting = (await story.store.builds.list(apps[2]))[0]

    await story.deploys.cancel_build(apps[2], str(waiting.id), story.user)

    with pytest.raises(BuildCancelled):
        await pushes[2]
    assert len(story.builder.started) == 2
    for push in pushes[:2]:
        push.cancel()


async def test_a_superseded_push_says_by_what_in_its_record(story: Story, app: App) -> None:
    gate = asyncio.Event()
    story.builder.gate = gate.wait()
    first = story.nursery.start(story.push(app, "aaaa"), name="first")
    await story.builder.building.wait()
    second = story.nursery.start(story.push(app, "bbbb"), name="second", expected=PushdError)
    await asyncio.sleep(0)
    await until_told(story, "next in line")
    story.builder.gate = None
    third = story.nursery.start(story.push(app, "cccc"), name="third")
    with pytest.raises(Superseded):
        await second
    gate.set()
    await asyncio.gather(first, third)

    ends = {build.commit[:4]: (build.status.value, build.reason) for build in await story.store.builds.list(app)}
    assert ends == {
        "aaaa": ("succeeded", ""),
        "bbbb": ("failed", "superseded by cccc000"),
        "cccc": ("succeeded", ""),
    }
