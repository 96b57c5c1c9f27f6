"""Authorizations: the tokens of an account. The text of a token is shown once, when it is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from pushd.access.actions import Action
from pushd.api.answers import Json, answer, derived_id, page, timestamp
from pushd.api.audited import note
from pushd.api.auth import find_app
from pushd.api.body import parse_body
from pushd.api.needs import CLOCK, STORE, USER
from pushd.api.ranges import Field, created_at
from pushd.api.shown import Shown
from pushd.errors import InvalidParams, NotFound
from pushd.model.user import DESCRIPTION_LIMIT, Authorization, User, parse_scopes

FIELDS = {
    "created_at": Field[Authorization](created_at),
    "id": Field[Authorization](lambda row: str(row.id)),
}
LONGEST = timedelta(days=3650)
_NO_CLIENTS = "Give a program a token of its own: `authorizations:create`."


@dataclass(frozen=True, slots=True)
class CreateBody:
    description: Shown[str | None] = None
    expires_in: Shown[int | str | None] = None  # `heroku authorizations:create -e` sends text
    scope: Shown[tuple[str, ...] | None] = None
    app: Shown[str | None] = None  # ours
    client: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateBody:
    description: Shown[str | None] = None
    client: Mapping[str, str | None] | None = None


async def list_all(request: web.Request) -> web.Response:
    """GET /oauth/authorizations -> 200 or 206: one's own, tokens masked."""
    user, now = request[USER], request.app[CLOCK].now()
    rows = await request.app[STORE].users.authorizations(user)
    return page(request, rows, FIELDS, lambda row: authorization_json(row, user, now=now))


async def show(request: web.Request) -> web.Response:
    """GET /oauth/authorizations/{authorization} -> 200.

    `~` is the operator's own, else 404: `heroku logout` asks for it, so as not to revoke that one.
    """
    return answer(authorization_json(await _find(request), request[USER], now=request.app[CLOCK].now()))


async def create(request: web.Request) -> web.Response:
    """POST /oauth/authorizations {"description"?, "expires_in"?, "scope"?, "app"?} -> 201: a new token, for whoever has one.

    With an "app", by name or id, it reaches that one alone.

    `heroku login -i` comes here with Basic authorization: address and password, or a token in the password's place.
    """
    wanted = await parse_body(request, CreateBody)
    if wanted.client is not None:
        raise _no_clients()
    scopes, now = parse_scopes(wanted.scope or ()), request.app[CLOCK].now()
    app = None if wanted.app is None else await find_app(request, wanted.app, Action.APP_VIEW)
    made, token = await request.app[STORE].users.create_authorization(
        request[USER],
        _description(wanted.description) or "Long-lived user authorization",
        _expiry(wanted.expires_in, now),
        scopes=scopes,
        app=app,
    )
    note(request, {"authorization": made.token_hint})
    return answer(authorization_json(made, request[USER], now=now, token=token), status=201)


async def update(request: web.Request) -> web.Response:
    """PATCH /oauth/authorizations/{authorization} {"description"?} -> 200: the same token under another description."""
    wanted = await parse_body(request, UpdateBody)
    if wanted.client is not None:
        raise _no_clients()
    if (description := _description(wanted.description)) is None:
        return await show(request)
    user, which = request[USER], request.match_info["authorization"]
    await _note(request)
    changed = await request.app[STORE].users.describe_authorization(user, which, description)
    return answer(authorization_json(changed, user, now=request.app[CLOCK].now()))


async def regenerate(request: web.Request) -> web.Response:
    """POST /oauth/authorizations/{authorization}/actions/regenerate-tokens -> 200: another token; the old one has ended."""
    user, which, now = request[USER], request.match_info["authorization"], request.app[CLOCK].now()
    found = await _note(request)
    if found.expires_at is not None and found.expires_at <= now:  # so would the new one have
        raise InvalidParams("This token has expired.", remedy="Make another: `pushd authorizations:create`.")
    changed, token = await request.app[STORE].users.rotate(user, which)
    return answer(authorization_json(changed, user, now=now, token=token))


async def revoke(request: web.Request) -> web.Response:
    """DELETE /oauth/authorizations/{authorization} -> 200: its token is no longer valid."""
    found = await request.app[STORE].users.revoke((await _note(request)).id)
    return answer(authorization_json(found, request[USER], now=request.app[CLOCK].now()))


async def no_session(request: web.Request) -> web.Response:
    """DELETE /oauth/sessions/{session} -> 404: tokens have no sessions here; `heroku logout` takes that for done."""
    raise NotFound("Couldn't find that session.", resource="session", remedy="Tokens have no sessions here.")


async def no_client(request: web.Request) -> web.Response:
    """/oauth/clients/{client} -> 404: the list of OAuth clients is empty."""
    raise NotFound("Couldn't find that OAuth client.", resource="oauth_client", remedy=_NO_CLIENTS)


async def create_client(request: web.Request) -> web.Response:
    """POST /oauth/clients -> 422."""
    raise _no_clients()


def authorization_json(row: Authorization, user: User, *, now: datetime, token: str | None = None) -> Json:
    left = None if row.expires_at is None else max(0, int((row.expires_at - now).total_seconds()))
    return {
        "id": str(row.id),
        "access_token": {"id": derived_id(row.id, "access-token"), "token": token or row.token_hint, "expires_in": left},
        "client": None,
        "grant": None,
        "refresh_token": None,
        "session": None,
        "app": None if row.app_id is None else {"id": str(row.app_id), "name": row.app_name},
        "description": row.description,
        "scope": sorted(row.scopes),
        "user": {"id": str(user.id), "email": user.email, "full_name": user.name},
        "created_at": timestamp(row.created_at),
        "updated_at": timestamp(row.updated_at),
    }


async def _find(request: web.Request) -> Authorization:
    return await request.app[STORE].users.find_authorization(request[USER], request.match_info["authorization"])


async def _note(request: web.Request) -> Authorization:
    """The same, for a change: the audit trail says which, by what everybody sees of the token."""
    found = await _find(request)
    note(request, {"authorization": found.token_hint})
    return found


def _expiry(given: int | str | None, now: datetime) -> datetime | None:
    if given is None:
        return None
    longest = int(LONGEST.total_seconds())
    seconds = int(given) if isinstance(given, int) or re.fullmatch(r"[0-9]{1,10}", given) else 0
    if not 0 < seconds <= longest:
        raise InvalidParams(f"expires_in must be 1 to {longest} seconds.", remedy="Leave it out for a token that stays.")
    return now + timedelta(seconds=seconds)


def _description(text: str | None) -> str | None:
    if text is not None and (len(text) > DESCRIPTION_LIMIT or not text.isprintable()):
        raise InvalidParams(
            f"description must be at most {DESCRIPTION_LIMIT} characters, in one line.", remedy="Write a shorter one."
        )
    return text or None


def _no_clients() -> InvalidParams:
    return InvalidParams("There are no OAuth clients on this server.", remedy=_NO_CLIENTS)
