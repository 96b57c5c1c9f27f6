"""Who has an account on this server: made, invited and removed by admins. Heroku has no such paths."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from aiohttp import web

from pushd.access.passwords import parse_password
from pushd.api.answers import Json, answer, maybe_timestamp, page, timestamp
from pushd.api.audited import also_under, entry, note
from pushd.api.body import parse_body
from pushd.api.needs import ACCESS, CLOCK, STORE, USER
from pushd.api.ranges import Field
from pushd.api.shown import Shown
from pushd.errors import InvalidParams, NotFound
from pushd.kit.addresses import address_of
from pushd.model.collaborator import parse_email
from pushd.model.user import Account

FIELDS = {
    "email": Field[Account](lambda row: row.user.email.lower()),
    "id": Field[Account](lambda row: str(row.user.id)),
}


FINALIZE = "POST /password-resets/{token}/actions/finalize"  # in the audit trail


@dataclass(frozen=True, slots=True)
class CreateBody:
    email: Shown[str]
    admin: Shown[bool] = False


@dataclass(frozen=True, slots=True)
class UpdateBody:
    admin: Shown[bool | None] = None


@dataclass(frozen=True, slots=True)
class InviteBody:
    end_tokens: Shown[bool] = False


@dataclass(frozen=True, slots=True)
class FinalizeBody:
    password: str = field(repr=False)
    password_confirmation: str = field(repr=False)


async def list_all(request: web.Request) -> web.Response:
    """GET /-/users -> 200 or 206."""
    return page(request, await request.app[STORE].accounts.all(), FIELDS, user_json)


async def show(request: web.Request) -> web.Response:
    """GET /-/users/{user} -> 200: by e-mail address or id; `~` for oneself."""
    return answer(user_json(await _find(request)))


async def create(request: web.Request) -> web.Response:
    """POST /-/users {"email", "admin"?} -> 201: with the invitation that they set their password with, shown this once."""
    wanted = await parse_body(request, CreateBody)
    email, user = parse_email(wanted.email), request[USER]
    made, token = await request.app[STORE].accounts.add(email, is_admin=wanted.admin, by=user)
    return answer(user_json(made, invitation=token), status=201)


async def update(request: web.Request) -> web.Response:
    """PATCH /-/users/{user} {"admin"?} -> 200."""
    found, wanted = await _find(request), await parse_body(request, UpdateBody)
    note(request, {"user": found.user.email})
    if wanted.admin is not None:
        note(request, {"admin": {"before": found.user.is_admin, "after": wanted.admin}})
        found = await request.app[STORE].accounts.set_admin(found.user, wanted.admin, by=request[USER])
    return answer(user_json(found))


async def invite(request: web.Request) -> web.Response:
    """POST /-/users/{user}/invitations {"end_tokens"?} -> 201: another invitation; the one before it ends."""
    found, wanted = await _find(request), await parse_body(request, InviteBody)
    note(request, {"user": found.user.email})
    accounts, user = request.app[STORE].accounts, request[USER]
    invited, token = await accounts.invite(found.user, ends_tokens=wanted.end_tokens, by=user)
    return answer(user_json(invited, invitation=token), status=201)


async def remove(request: web.Request) -> web.Response:
    """DELETE /-/users/{user}?apps_to=EMAIL -> 200: as they were. Whom `apps_to` names gets the apps and pipelines."""
    accounts, found = request.app[STORE].accounts, await _find(request)
    note(request, {"user": found.user.email})
    heir = (await accounts.find(request.query["apps_to"])).user if "apps_to" in request.query else None
    if heir is not None:
        note(request, {"apps_to": heir.email})
    for app in await request.app[STORE].apps.all():
        if found.user.id == app.owner_id or found.user.id in app.collaborator_ids:
            await also_under(request, app)
    return answer(user_json(await accounts.remove(found.user, heir, by=request[USER])))


async def finalize(request: web.Request) -> web.Response:
    """POST /password-resets/{token}/actions/finalize {"password", "password_confirmation"} -> 200: an invitation is used.

    Shape: Heroku's, of the same path. Who guesses at invitations is slowed down as who guesses at tokens is.
    """
    wanted, token = await parse_body(request, FinalizeBody), request.match_info["token"]
    access, accounts, now = request.app[ACCESS], request.app[STORE].accounts, request.app[CLOCK].now()
    address = address_of(request.remote)
    try:
        invited = await accounts.find_invited(token)
        if wanted.password != wanted.password_confirmation:
            raise InvalidParams("The two passwords differ.", remedy="Write the same one twice.")
        hashed = await access.hashed(parse_password(wanted.password), source=address)
        async with entry(request, action=FINALIZE, source=address, user=replace(invited, came_by="invitation")):
            user = await accounts.redeem(token, hashed)
    except NotFound:
        await access.refuse(address)
        raise
    return answer({"created_at": timestamp(now), "user": {"id": str(user.id), "email": user.email}})


def user_json(row: Account, *, invitation: str | None = None) -> Json:
    return {
        "id": str(row.user.id),
        "email": row.user.email,
        "name": row.user.name,
        "role": row.user.role,
        "apps": row.app_count,
        "has_password": row.has_password,
        "invitation": _invitation_json(row.invited_until, invitation),
        "created_at": timestamp(row.user.created_at),
        "updated_at": timestamp(row.user.updated_at),
    }


def _invitation_json(until: datetime | None, token: str | None) -> Json | None:
    return None if until is None else {"token": token, "expires_at": maybe_timestamp(until)}


async def _find(request: web.Request) -> Account:
    which = request.match_info["user"]
    return await request.app[STORE].accounts.find(str(request[USER].id) if which == "~" else which)
