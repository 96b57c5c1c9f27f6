"""Pipelines: made, shown, renamed, destroyed. A user sees their own, and those that hold an app they may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from pushd.access.actions import Action, may
from pushd.api.answers import Json, answer, fixed, page, timestamp
from pushd.api.audited import note
from pushd.api.body import parse_body
from pushd.api.needs import ACCESS, STORE, USER
from pushd.api.ranges import Field
from pushd.api.shown import Shown
from pushd.errors import InvalidParams, NotFound
from pushd.model.pipeline import Pipeline, parse_pipeline_name

FIELDS = {"name": Field[Pipeline](lambda row: row.name), "id": Field[Pipeline](lambda row: str(row.id))}


@dataclass(frozen=True, slots=True)
class OwnerBody:
    id: Shown[str]
    type: Shown[str]


@dataclass(frozen=True, slots=True)
class CreateBody:
    name: Shown[str]
    owner: OwnerBody | None = None
    generation: Mapping[str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class UpdateBody:
    name: Shown[str | None] = None


async def list_all(request: web.Request) -> web.Response:
    """GET /pipelines[?eq[name]=NAME] -> 200 or 206."""
    found = await request.app[STORE].pipelines.all(request.query.get("eq[name]"))
    return page(request, await _visible(request, found), FIELDS, pipeline_json)


async def show(request: web.Request) -> web.Response:
    """GET /pipelines/{pipeline} -> 200: by id or name."""
    return answer(pipeline_json(await find_pipeline(request, request.match_info["pipeline"])))


async def create(request: web.Request) -> web.Response:
    """POST /pipelines {"name", "owner"?: {"id", "type": "user"}} -> 201: empty, of the user who asks."""
    wanted, user = await parse_body(request, CreateBody), request[USER]
    if wanted.owner is not None and (wanted.owner.type != "user" or wanted.owner.id != str(user.id)):
        raise InvalidParams("A pipeline belongs to who makes it; there are no teams here.", remedy="Leave owner out.")
    return answer(pipeline_json(await request.app[STORE].pipelines.create(parse_pipeline_name(wanted.name), user)), status=201)


async def update(request: web.Request) -> web.Response:
    """PATCH /pipelines/{pipeline} {"name"?} -> 200."""
    pipeline = await find_own_pipeline(request, request.match_info["pipeline"])
    wanted = await parse_body(request, UpdateBody)
    note(request, {"pipeline": pipeline.name})
    if wanted.name is not None:
        note(request, {"name": {"before": pipeline.name, "after": wanted.name}})
        pipeline = await request.app[STORE].pipelines.rename(pipeline, parse_pipeline_name(wanted.name))
    return answer(pipeline_json(pipeline))


async def destroy(request: web.Request) -> web.Response:
    """DELETE /pipelines/{pipeline} -> 200: the pipeline as it was; its apps stay."""
    pipeline = await find_own_pipeline(request, request.match_info["pipeline"])
    note(request, {"pipeline": pipeline.name})
    await request.app[STORE].pipelines.delete(pipeline)
    return answer(pipeline_json(pipeline))


async def find_pipeline(request: web.Request, id_or_name: str) -> Pipeline:
    """The pipeline that the user may see; of several by one name their own. Raises: NotFound."""
    found = [each for each in await request.app[STORE].pipelines.all() if id_or_name in (str(each.id), each.name)]
    visible = await _visible(request, found)
    if not visible:
        raise NotFound("Couldn't find that pipeline.", resource="pipeline", remedy="`pushd pipelines` lists those you may see.")
    return min(visible, key=lambda each: each.owner_id != request[USER].id)


async def find_own_pipeline(request: web.Request, id_or_name: str) -> Pipeline:
    """The same to change it: its owner may. Raises: NotFound, Forbidden."""
    pipeline = await find_pipeline(request, id_or_name)
    request.app[ACCESS].check(request[USER], Action.PIPELINE_CHANGE, pipeline)
    return pipeline


def pipeline_json(pipeline: Pipeline) -> Json:
    return {
        "id": str(pipeline.id),
        "name": pipeline.name,
        "owner": {"id": str(pipeline.owner_id), "type": "user"},
        "generation": fixed("generation", "cedar"),
        "created_at": timestamp(pipeline.created_at),
        "updated_at": timestamp(pipeline.updated_at),
    }


async def _visible(request: web.Request, pipelines: list[Pipeline]) -> list[Pipeline]:
    user, store = request[USER], request.app[STORE]
    if all(may(user, Action.PIPELINE_VIEW, each) for each in pipelines):
        return pipelines
    apps = {app.id for app in await store.apps.all() if may(user, Action.APP_VIEW, app)}
    seen = {each.pipeline_id for each in await store.pipelines.couplings() if each.app_id in apps}
    return [each for each in pipelines if may(user, Action.PIPELINE_VIEW, each) or each.id in seen]
