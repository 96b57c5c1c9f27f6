"""Promotions: a release of one app, carried to others of its pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from pushd.access.actions import Action
from pushd.api.answers import Json, answer, page, timestamp
from pushd.api.audited import also_under, note
from pushd.api.auth import check_owner_app, find_app
from pushd.api.body import parse_body
from pushd.api.needs import PROMOTIONS, USER
from pushd.api.pipelines import find_pipeline
from pushd.api.ranges import Field
from pushd.api.shown import Shown
from pushd.model.pipeline import Promotion, PromotionTarget
from pushd.store.promotions import promotion_not_found

FIELDS = {"id": Field[PromotionTarget](lambda row: str(row.id))}
SOURCE, TARGETS = "source", "targets"  # in the audit trail: names of apps


@dataclass(frozen=True, slots=True)
class Reference:
    id: Shown[str]


@dataclass(frozen=True, slots=True)
class SourceBody:
    app: Reference
    release: Reference | None = None


@dataclass(frozen=True, slots=True)
class TargetBody:
    app: Reference


@dataclass(frozen=True, slots=True)
class CreateBody:
    pipeline: Reference
    source: SourceBody
    targets: tuple[TargetBody, ...]


async def create(request: web.Request) -> web.Response:
    """POST /pipeline-promotions {"pipeline", "source": {"app", "release"?}, "targets": [{"app"}]} -> 201: begun, not yet live.

    Shape:   every reference is {"id": ...}; without a release the one that runs.
    """
    wanted = await parse_body(request, CreateBody)
    pipeline = await find_pipeline(request, wanted.pipeline.id)
    source = await find_app(request, wanted.source.app.id, Action.RELEASES)
    targets = [await find_app(request, each.app.id, Action.RELEASE) for each in wanted.targets]
    release = None if wanted.source.release is None else wanted.source.release.id
    note(request, {"pipeline": pipeline.name, SOURCE: source.name, TARGETS: [app.name for app in targets]})
    for app in dict.fromkeys((source, *targets)):
        await also_under(request, app)
    promotion = await request.app[PROMOTIONS].promote(pipeline, source, release, targets, request[USER])
    return answer(promotion_json(promotion), status=201)


async def show(request: web.Request) -> web.Response:
    """GET /pipeline-promotions/{promotion} -> 200."""
    return answer(promotion_json(await _find(request)))


async def list_targets(request: web.Request) -> web.Response:
    """GET /pipeline-promotions/{promotion}/promotion-targets -> 200 or 206: how each fares."""
    promotion = await _find(request)
    return page(request, promotion.targets, FIELDS, target_json)


def promotion_json(promotion: Promotion) -> Json:
    return {
        "id": str(promotion.id),
        "pipeline": {"id": str(promotion.pipeline_id)},
        "source": {
            "app": {"id": str(promotion.source_app_id)},
            "release": {"id": str(promotion.source_release_id)},
        },
        "status": "completed" if promotion.is_completed else "pending",
        "created_at": timestamp(promotion.created_at),
        "updated_at": timestamp(promotion.updated_at),
    }


def target_json(target: PromotionTarget) -> Json:
    return {
        "id": str(target.id),
        "app": {"id": str(target.app_id)},
        "pipeline_promotion": {"id": str(target.promotion_id)},
        "release": {"id": str(target.release_id)} if target.release_id else None,
        "status": target.status.value,
        "error_message": target.error_message,
    }


async def _find(request: web.Request) -> Promotion:
    """The {promotion} of the path, whose source the user may see; else it is not there."""
    promotion = await request.app[PROMOTIONS].find(request.match_info["promotion"])
    await check_owner_app(request, Action.APP_VIEW, promotion.source_app_id, hidden=promotion_not_found())
    return promotion
