"""Collaborators: the owner of an app, and those with whom it is shared."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from pushd.access.actions import Action, may
from pushd.api.answers import Json, answer, app_reference, page, timestamp
from pushd.api.audited import note
from pushd.api.body import parse_body
from pushd.api.needs import ACCESS, APP, BELONGINGS, STORE, USER
from pushd.api.ranges import Field
from pushd.api.shown import Shown
from pushd.model.app import App
from pushd.model.collaborator import Collaborator

FIELDS = {"email": Field[Collaborator](lambda row: row.email.lower()), "id": Field[Collaborator](lambda row: str(row.id))}


@dataclass(frozen=True, slots=True)
class CreateBody:
    user: Shown[str]
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
    """POST /apps/{app}/collaborators {"user": e-mail address or id, "silent"?} -> 201.

    An admin may name somebody without an account: they get one by this, and an invitation by `users:invite`.
    """
    app, user, wanted = request[APP], request[USER], await parse_body(request, CreateBody)
    known_only = not may(user, Action.USERS, None)
    made = await request.app[BELONGINGS].add_collaborator(app, wanted.user, user, known_only=known_only)
    account = await request.app[STORE].accounts.find(str(made.user_id))
    can_log_in = account.has_password or account.invited_until is not None or account.user.is_admin
    warning = None if can_log_in else f"{made.email} cannot log in yet: an admin invites them with users:invite {made.email}"
    return answer(_collaborator_json(app, made), status=201, warning=warning)


async def remove(request: web.Request) -> web.Response:
    """DELETE /apps/{app}/collaborators/{collaborator} -> 200: as they were. Everybody may remove themselves."""
    app, user = request[APP], request[USER]
    found = await request.app[STORE].collaborators.find(app, _which(request))
    note(request, {"collaborator": found.email})
    if found.user_id != user.id:
        request.app[ACCESS].check(user, Action.ACCESS_CHANGE, app)
    removed = await request.app[BELONGINGS].remove_collaborator(app, str(found.id), user)
    return answer(_collaborator_json(app, removed), warning=await _maybe_what_stays(request, app))


async def _maybe_what_stays(request: web.Request, app: App) -> str | None:
    """What may go on telling somebody of the app who has lost it."""
    store = request.app[STORE]
    if not await store.webhooks.of(app) and not await store.drains.of(app):
        return None
    return "Webhooks and log drains belong to the app and stay: `webhooks` and `drains` say where they go"


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
