"""Pipelines, couplings and promotions as they are kept."""

from __future__ import annotations

from uuid import uuid4

import pytest

from pushd.errors import InvalidParams, NotFound
from pushd.model.app import App
from pushd.model.pipeline import PromotionStatus, Stage
from pushd.model.user import User
from pushd.store.promotions import KEPT
from pushd.store.store import Store
from tests.store.makes import NOBODY, make_live, make_slug


async def test_a_pipeline_keeps_its_apps_until_either_goes(store: Store, operator: User, app: App) -> None:
    pipeline = await store.pipelines.create("line", operator)
    coupling = await store.pipelines.couple(app, pipeline, Stage.STAGING)

    assert await store.pipelines.coupling_of(app) == await store.pipelines.find_coupling(coupling.id) == coupling
    assert (coupling.pipeline_name, coupling.stage) == ("line", Stage.STAGING)
    moved = await store.pipelines.set_stage(coupling, Stage.PRODUCTION)
    assert await store.pipelines.couplings(pipeline) == [moved]

    await store.pipelines.delete(pipeline)

    with pytest.raises(NotFound) as caught:
        await store.pipelines.coupling_of(app)
    assert caught.value.resource == "pipeline_coupling"
    assert await store.apps.find("blog") == app


async def test_an_app_that_is_destroyed_leaves_its_pipeline(store: Store, operator: User, app: App) -> None:
    pipeline = await store.pipelines.create("line", operator)
    await store.pipelines.couple(app, pipeline, Stage.STAGING)

    await store.apps.delete(app)

    assert await store.pipelines.couplings(pipeline) == []


async def test_an_app_is_in_one_pipeline_at_most(store: Store, operator: User, app: App) -> None:
    first, second = [await store.pipelines.create(name, operator) for name in ("first", "second")]
    coupling = await store.pipelines.couple(app, first, Stage.STAGING)

    for pipeline in (first, second):
        with pytest.raises(InvalidParams, match="already in the pipeline first"):
            await store.pipelines.couple(app, pipeline, Stage.PRODUCTION)

    await store.pipelines.uncouple(coupling)
    await store.pipelines.uncouple(coupling)
    assert (await store.pipelines.couple(app, second, Stage.PRODUCTION)).pipeline_id == second.id


async def test_names_are_taken_per_owner(store: Store, operator: User) -> None:
    pipeline = await store.pipelines.create("line", operator)
    await store.pipelines.create("other", operator)

    with pytest.raises(InvalidParams, match="already taken"):
        await store.pipelines.create("line", operator)
    with pytest.raises(InvalidParams, match="already taken"):
        await store.pipelines.rename(pipeline, "other")

    assert (await store.pipelines.rename(pipeline, "line")).name == "line"
    assert [each.name for each in await store.pipelines.all()] == ["line", "other"]
    assert [each.name for each in await store.pipelines.all("other")] == ["other"]


@pytest.mark.parametrize("wrong", ["", "x", str(NOBODY)])
async def test_what_is_not_there_is_not_found(store: Store, wrong: str) -> None:
    with pytest.raises(NotFound):
        await store.pipelines.find_coupling(wrong)
    with pytest.raises(NotFound):
        await store.promotions.find(wrong)


async def test_a_target_fares_as_its_release_does(store: Store, operator: User, app: App) -> None:
    target_app = await store.apps.create("target", operator)
    pipeline = await store.pipelines.create("line", operator)
    release = await make_live(store, app, operator, make_slug(app))
    promotion = await store.promotions.create(pipeline, app, release, [target_app])
    assert [each.status for each in promotion.targets] == [PromotionStatus.PENDING]

    made = await make_live(store, target_app, operator, make_slug(target_app))
    await store.promotions.note(promotion.targets[0], release_id=made.id)

    found = await store.promotions.find(promotion.id)
    assert [each.status for each in found.targets] == [PromotionStatus.SUCCEEDED]
    assert found.is_completed


async def test_old_promotions_are_forgotten(store: Store, operator: User, app: App) -> None:
    pipeline = await store.pipelines.create("line", operator)
    release = await make_live(store, app, operator, make_slug(app))
    made = [await store.promotions.create(pipeline, app, release, []) for _ in range(KEPT + 1)]

    with pytest.raises(NotFound):
        await store.promotions.find(made[0].id)  # the first of many that were made in the same moment
    for promotion in made[1:]:
        await store.promotions.find(promotion.id)
    await store.promotions.note((await store.promotions.create(pipeline, app, release, [app])).targets[0], error=str(uuid4()))
