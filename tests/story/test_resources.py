"""Sizes and limits of process types: stored, then followed by the dynos."""

from __future__ import annotations

import pytest

from pushd.errors import InvalidParams, NotFound
from pushd.model.app import App
from pushd.model.formation import parse_quantity
from pushd.model.resources import BUILD, find_size
from tests.story.conftest import Story
from tests.story.test_deploy import settled


async def test_another_size_replaces_all_dynos(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    story.runner.events.clear()

    rows, change = await story.dynos.scale(app, [], story.user, {"web": find_size("eco")})
    await settled(story, change)
    assert [(row.type, row.size) for row in rows] == [("web", "Eco")]
    assert "Scaled to web@1:Eco" in "\n".join(story.log.lines)
    assert (await story.store.apps.find(app.name)).restarts == 1

    _, change = await story.dynos.scale(app, [parse_quantity("web", "2")], story.user, {"web": find_size("standard-2x")})
    await settled(story, change)
    assert (await story.store.apps.find(app.name)).restarts == 2
    assert await story.store.formation.quantities(app) == {"web": 2}


async def test_limits_are_followed_and_told_without_values(story: Story, app: App) -> None:
    await story.push(app, "aaaa")

    change = await story.dynos.set_resources(app, "web", {"memory": "300M", "cpu": "1"}, story.user)

    await settled(story, change)
    assert "Set cpu, memory of web by user" in "\n".join(story.log.lines)
    assert await story.dynos.set_resources(app, BUILD, {"memory": "1G"}, story.user) is None
    assert await story.dynos.set_resources(app, "run", {"memory": "1G"}, story.user) is None
    assert (await story.store.resources.of(app)).of_dyno("run").memory_mb == 1024


async def test_on_a_small_server_the_default_fits_and_what_says_nothing_of_memory(
    story: Story, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    await story.push(app, "aaaa")
    monkeypatch.setattr("pushd.story.dynos.machine_memory_bytes", lambda: 400 << 20)

    await story.dynos.scale(app, [], story.user, {"web": find_size("eco")})
    await story.dynos.set_resources(app, "web", {"cpu": "1"}, story.user)
    await story.dynos.set_resources(app, BUILD, {"time": "15m"}, story.user)
    with pytest.raises(InvalidParams, match="1024 MB of memory are more than the 512 MB"):
        await story.dynos.scale(app, [], story.user, {"web": find_size("standard-2x")})
    monkeypatch.setattr("pushd.story.dynos.machine_memory_bytes", lambda: 1000 << 20)
    await story.dynos.set_resources(app, "web", {"memory": "750M"}, story.user)
    with pytest.raises(InvalidParams, match="751 MB of memory are more than the 750 MB"):  # above that it would be ended
        await story.dynos.set_resources(app, "web", {"memory": "751M"}, story.user)


async def test_what_the_server_does_not_have_cannot_be_promised(story: Story, app: App) -> None:
    await story.push(app, "aaaa")
    for refused in (
        story.dynos.scale(app, [], story.user, {"web": find_size("performance-2xl")}),
        story.dynos.set_resources(app, "web", {"memory": "1000000M"}, story.user),
        story.dynos.set_resources(app, BUILD, {"memory": "1000000M"}, story.user),
    ):
        with pytest.raises(InvalidParams, match=r"more than the \d+ MB of this server"):
            await refused
    with pytest.raises(NotFound, match="process type"):
        await story.dynos.set_resources(app, "nobody", {"memory": "1G"}, story.user)
    with pytest.raises(NotFound, match="process type"):
        await story.dynos.scale(app, [], story.user, {"nobody": find_size("eco")})
    assert (await story.store.resources.of(app)).figures == {}
    assert (await story.store.apps.find(app.name)).restarts == 0
