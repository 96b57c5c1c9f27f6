"""Collaborators: the owner of an app is one; others are not served yet."""

from __future__ import annotations

from aiohttp import web

from pushd.api.answers import Json, answer, app_reference, derived_id, page, timestamp
from pushd.api.needs import APP
from pushd.api.ranges import Field
from pushd.errors import NotFound
from pushd.model.app import App

FIELDS = {"email": Field[Json](lambda row: row["user"]["email"]), "id": Field[Json](lambda row: row["id"])}


async def list_all(request: web.Request) -> web.Response:
    """GET /apps/{app}/collaborators -> 200: the owner."""
    return page(request, [_owner(request[APP])], FIELDS, lambda row: row)


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/collaborators/{collaborator} -> 200: by e-mail address or id."""
    owner = _owner(request[APP])
    if request.match_info["collaborator"] not in (owner["id"], owner["user"]["email"]):
        raise NotFound("Couldn't find that collaborator.", resource="collaborator", remedy="The owner is the only one.")
    return answer(owner)


def _owner(app: App) -> Json:
    return {
        "id": derived_id(app.id, f"collaborator/{app.owner_id}"),
        "app": app_reference(app),
        "user": {"id": str(app.owner_id), "email": app.owner_email, "federated": False},
        "role": "owner",
        "created_at": timestamp(app.created_at),
        "updated_at": timestamp(app.created_at),
    }
