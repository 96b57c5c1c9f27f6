"""Collaborators: the owner of an app, and those with whom it is shared."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from pushd.access.actions import Action
from pushd.api.answers import Json, answer, app_reference, page, timestamp
from pushd.api.body import parse_body
from pushd.api.needs import ACCESS, APP, BELONGINGS, STORE, USER
from pushd.api.ranges import Field
from pushd.model.app import App
from pushd.model.collaborator import Collaborator

FIELDS = {"email": Field[Collaborator](lambda row: row.email.lower()), "id": Field[Collaborator](lambda row: str(row.id))}


@dataclass(frozen=True, slots=True)
class CreateBody:
    user: str
    silent: bool | None = None  # no mail is sent either way


async def list_all(request: web.Request) -> web.Response:
    """GET /apps/{app}/collaborators -> 200 or 206: the owner and the others."""
    app = request[APP]
    return page(request, await request.app[STORE].collaborators.of(app), FIELDS, lambda row: _collaborator_json(app, row))


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/collaborators/{collaborator} -> 200: by e-mail address or id."""
    app = request[APP]
    return answer(_collaborator_json(app, await request.app[STORE].collaborators.find(app, _which(request))))


async def create(request: web.Request) -> web.Response:
    """POST /apps/{app}/collaborators {"user": e-mail address or id, "silent"?} -> 201."""
    app, wanted = request[APP], await parse_body(request, CreateBody)
    made = await request.app[BELONGINGS].add_collaborator(app, wanted.user, request[USER])
    return answer(_collaborator_json(app, made), status=201)


async def remove(request: web.Request) -> web.Response:
    """DELETE /apps/{app}/collaborators/{collaborator} -> 200: as they were. Everybody may remove themselves."""
    app, user = request[APP], request[USER]
    found = await request.app[STORE].collaborators.find(app, _which(request))
    if found.user_id != user.id:
        request.app[ACCESS].check(user, Action.ACCESS_CHANGE, app)
    return answer(_collaborator_json(app, await request.app[BELONGINGS].remove_collaborator(app, str(found.id), user)))


def _which(request: web.Request) -> str:
    return request.match_info["collaborator"]


def _collaborator_json(app: App, row: Collaborator) -> Json:
    return {
        "id": str(row.id),
        "app": app_reference(app),
        "user": {"id": str(row.user_id), "email": row.email, "federated": False},
        "role": "owner" if row.is_owner else "collaborator",
        "created_at": timestamp(row.created_at),
        "updated_at": timestamp(row.updated_at),
    }
