"""Apps: made, shown, renamed, put into maintenance, destroyed."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from pushd.access.actions import Action, may
from pushd.api.account import find_self
from pushd.api.answers import Json, answer, app_reference, base_url, fixed, maybe_timestamp, page, timestamp
from pushd.api.audited import also_under, note
from pushd.api.body import parse_body, read_object, wrong_type
from pushd.api.needs import ACCESS, APP, APPS, SITE, STORE, USER
from pushd.api.ranges import Field
from pushd.api.shown import Shown
from pushd.errors import InvalidParams
from pushd.model.app import REGION, STACK, App, parse_app_name

FIELDS = {"name": Field[App](lambda app: app.name), "id": Field[App](lambda app: str(app.id))}


@dataclass(frozen=True, slots=True)
class CreateBody:
    name: Shown[str | None] = None
    region: Shown[str | None] = None
    stack: Shown[str | None] = None


@dataclass(frozen=True, slots=True)
class UpdateBody:
    name: Shown[str | None] = None
    maintenance: Shown[bool | None] = None
    build_stack: Shown[str | None] = None


async def create(request: web.Request) -> web.Response:
    """POST /apps {"name"?, "region"?, "stack"?} -> 201: a new app with its v1."""
    wanted = await parse_body(request, CreateBody)
    _check_choice("region", wanted.region, REGION)
    _check_choice("stack", wanted.stack, STACK)
    name = None if wanted.name is None else parse_app_name(wanted.name)
    app = await request.app[APPS].create(name, request[USER])
    note(request, {"name": app.name})
    await also_under(request, app)  # only now is there one
    return answer(app_json(request, app), status=201)


async def list_all(request: web.Request) -> web.Response:
    """GET /apps -> 200 or 206: every app that one may see."""
    visible = [app for app in await request.app[STORE].apps.all() if may(request[USER], Action.APP_VIEW, app)]
    return page(request, visible, FIELDS, lambda app: app_json(request, app))


async def list_own(request: web.Request) -> web.Response:
    """GET /users/{user}/apps -> 200 or 206: the same, by the path that `heroku apps` asks."""
    find_self(request)
    return await list_all(request)


async def list_chosen(request: web.Request) -> web.Response:
    """POST /filters/apps {"in"?: {"id": [...]}} -> 200 or 206: those of them that one may see."""
    wanted = (await read_object(request)).get("in", {})
    ids = wanted.get("id", []) if isinstance(wanted, dict) else None
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise wrong_type("in.id", "a list of ids")
    wanted_ids = frozenset(ids)
    chosen = [app for app in await request.app[STORE].apps.all() if str(app.id) in wanted_ids]
    visible = [app for app in chosen if may(request[USER], Action.APP_VIEW, app)]
    return page(request, visible, FIELDS, lambda app: app_json(request, app))


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app} -> 200."""
    return answer(app_json(request, request[APP]))


async def update(request: web.Request) -> web.Response:
    """PATCH /apps/{app} {"name"?, "maintenance"?, "build_stack"?} -> 200: answered once visitors see it."""
    app, user, apps = request[APP], request[USER], request.app[APPS]
    wanted = await parse_body(request, UpdateBody)
    _check_choice("stack", wanted.build_stack, STACK)
    if wanted.name is not None and wanted.name != app.name:
        request.app[ACCESS].check(user, Action.APP_RENAME, app)
        note(request, {"name": {"before": app.name, "after": wanted.name}})
        app = await apps.rename(app, parse_app_name(wanted.name), user)
    if wanted.maintenance is not None:
        note(request, {"maintenance": {"before": app.maintenance, "after": wanted.maintenance}})
        app = await apps.set_maintenance(app, wanted.maintenance, user)
    return answer(app_json(request, app))


async def destroy(request: web.Request) -> web.Response:
    """DELETE /apps/{app} -> 200: the app as it was."""
    await request.app[APPS].destroy(request[APP])
    return answer(app_json(request, request[APP]))


def git_url(request: web.Request, app: App) -> str:
    """Where to push, by the way that this request came."""
    return f"{base_url(request)}/{app.name}.git"


def app_json(request: web.Request, app: App) -> Json:
    return {
        **app_reference(app),
        "acm": False,
        "archived_at": None,
        "buildpack_provided_description": None,
        "build_stack": fixed("stack", STACK),
        "stack": fixed("stack", STACK),
        "create_status": "complete",  # `heroku apps:info -s` prints it
        "created_at": timestamp(app.created_at),
        "updated_at": timestamp(app.updated_at),
        "released_at": maybe_timestamp(app.released_at),
        "generation": fixed("generation", "cedar"),
        "git_url": git_url(request, app),
        "web_url": request.app[SITE].web_url_of(app),
        "internal_routing": None,
        "maintenance": app.maintenance,
        "owner": {"id": str(app.owner_id), "email": app.owner_email},
        "organization": None,
        "team": None,
        "space": None,
        "region": fixed("region", REGION),
        "repo_size": app.repo_size_bytes,
        "slug_size": app.slug_size_bytes,
    }


def _check_choice(what: str, wanted: str | None, ours: str) -> None:
    if wanted is not None and wanted not in (ours, fixed(what, ours)["id"]):
        raise InvalidParams(f"There is no {what} {wanted[:40]!r} here.", remedy=f"The only one is {ours}.")
