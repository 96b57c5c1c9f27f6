"""Which app stands in which pipeline, at which stage."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from pushd.access.actions import Action, may
from pushd.api.answers import Json, answer, page, timestamp
from pushd.api.audited import also_under, note
from pushd.api.auth import check_owner_app, find_app
from pushd.api.body import parse_body
from pushd.api.needs import APP, STORE, USER
from pushd.api.pipelines import find_own_pipeline, find_pipeline
from pushd.api.ranges import Field, created_at
from pushd.api.shown import Shown
from pushd.model.pipeline import Coupling, parse_stage
from pushd.store.pipelines import coupling_not_found

FIELDS = {
    "created_at": Field[Coupling](created_at),
    "id": Field[Coupling](lambda row: str(row.id)),
}


@dataclass(frozen=True, slots=True)
class CreateBody:
    app: Shown[str]
    pipeline: Shown[str]
    stage: Shown[str]


@dataclass(frozen=True, slots=True)
class UpdateBody:
    stage: Shown[str | None] = None


async def list_all(request: web.Request) -> web.Response:
    """GET /pipeline-couplings, GET /users/~/pipeline-couplings -> 200 or 206: of all apps that one may see."""
    return await _page(request, await request.app[STORE].pipelines.couplings())


async def list_of_pipeline(request: web.Request) -> web.Response:
    """GET /pipelines/{pipeline}/pipeline-couplings -> 200 or 206."""
    pipeline = await find_pipeline(request, request.match_info["pipeline"])
    return await _page(request, await request.app[STORE].pipelines.couplings(pipeline))


async def show_of_app(request: web.Request) -> web.Response:
    """GET /apps/{app}/pipeline-couplings -> 200; 404 tells that the app is in no pipeline."""
    return answer(coupling_json(await request.app[STORE].pipelines.coupling_of(request[APP])))


async def show(request: web.Request) -> web.Response:
    """GET /pipeline-couplings/{coupling} -> 200."""
    return answer(coupling_json(await _find(request, Action.APP_VIEW)))


async def create(request: web.Request) -> web.Response:
    """POST /pipeline-couplings {"app", "pipeline", "stage"} -> 201: put an app into a pipeline."""
    wanted, store = await parse_body(request, CreateBody), request.app[STORE]
    stage = parse_stage(wanted.stage)
    app = await find_app(request, wanted.app, Action.APP_CHANGE)
    pipeline = await find_own_pipeline(request, wanted.pipeline)
    note(request, {"app": app.name, "pipeline": pipeline.name})
    await also_under(request, app)
    return answer(coupling_json(await store.pipelines.couple(app, pipeline, stage)), status=201)


async def update(request: web.Request) -> web.Response:
    """PATCH /pipeline-couplings/{coupling} {"stage"?} -> 200: move the app to another stage."""
    coupling = await _find_to_change(request)
    wanted = await parse_body(request, UpdateBody)
    if wanted.stage is not None:
        coupling = await request.app[STORE].pipelines.set_stage(coupling, parse_stage(wanted.stage))
    return answer(coupling_json(coupling))


async def destroy(request: web.Request) -> web.Response:
    """DELETE /pipeline-couplings/{coupling} -> 200: the app leaves its pipeline."""
    coupling = await _find_to_change(request)
    await request.app[STORE].pipelines.uncouple(coupling)
    return answer(coupling_json(coupling))


def coupling_json(coupling: Coupling) -> Json:
    return {
        "id": str(coupling.id),
        "app": {"id": str(coupling.app_id)},
        "pipeline": {"id": str(coupling.pipeline_id), "name": coupling.pipeline_name},
        "stage": coupling.stage.value,
        "created_at": timestamp(coupling.created_at),
        "updated_at": timestamp(coupling.updated_at),
    }


async def _find(request: web.Request, action: Action) -> Coupling:
    """The {coupling} of the path, whose app the user may act on; one of an app that they may not see is not there."""
    coupling = await request.app[STORE].pipelines.find_coupling(request.match_info["coupling"])
    await check_owner_app(request, action, coupling.app_id, hidden=coupling_not_found())
    return coupling


async def _find_to_change(request: web.Request) -> Coupling:
    """The same, with what it couples noted in the audit trail, under the app too."""
    coupling = await _find(request, Action.APP_CHANGE)
    app = await request.app[STORE].apps.find(coupling.app_id)
    note(request, {"app": app.name, "pipeline": coupling.pipeline_name})
    await also_under(request, app)
    return coupling


async def _page(request: web.Request, couplings: list[Coupling]) -> web.Response:
    apps = {app.id for app in await request.app[STORE].apps.all() if may(request[USER], Action.APP_VIEW, app)}
    return page(request, [each for each in couplings if each.app_id in apps], FIELDS, coupling_json)
