"""Authorizations: the tokens of an account. The text of a token is shown once, when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from pushd.api.answers import Json, answer, derived_id, page, timestamp
from pushd.api.body import parse_body
from pushd.api.needs import CLOCK, STORE, USER
from pushd.api.ranges import Field
from pushd.errors import InvalidParams, NotFound
from pushd.model.user import Authorization, User

FIELDS = {
    "created_at": Field[Authorization](lambda row: row.created_at.isoformat(timespec="microseconds")),
    "id": Field[Authorization](lambda row: str(row.id)),
}
_LONGEST = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class CreateBody:
    description: str | None = None
    expires_in: int | None = None
    scope: tuple[str, ...] = ()


async def list_all(request: web.Request) -> web.Response:
    """GET /oauth/authorizations -> 200 or 206: one's own, tokens masked."""
    user, now = request[USER], request.app[CLOCK].now()
    rows = await request.app[STORE].users.authorizations(user)
    return page(request, rows, FIELDS, lambda row: authorization_json(row, user, now=now))


async def show(request: web.Request) -> web.Response:
    """GET /oauth/authorizations/{authorization} -> 200; `~` -> 404, as the Heroku CLI expects where there is none."""
    return answer(authorization_json(await _find(request), request[USER], now=request.app[CLOCK].now()))


async def create(request: web.Request) -> web.Response:
    """POST /oauth/authorizations {"description"?, "expires_in"?} -> 201: a new token, for whoever has one already.

    `heroku login -i` comes here with Basic authorization; the password it asks for is a token.
    """
    wanted = await parse_body(request, CreateBody)
    if any(scope != "global" for scope in wanted.scope):
        raise InvalidParams("scope can only be global here.", remedy='Leave it out, or send ["global"].')
    now = request.app[CLOCK].now()
    made, token = await request.app[STORE].users.create_authorization(
        request[USER], (wanted.description or "Long-lived user authorization")[:255], _expiry(wanted.expires_in, now)
    )
    return answer(authorization_json(made, request[USER], now=now, token=token), status=201)


async def revoke(request: web.Request) -> web.Response:
    """DELETE /oauth/authorizations/{authorization} -> 200: its token is no longer valid."""
    found = await request.app[STORE].users.revoke((await _find(request)).id)
    return answer(authorization_json(found, request[USER], now=request.app[CLOCK].now()))


async def no_session(request: web.Request) -> web.Response:
    """DELETE /oauth/sessions/{session} -> 404: tokens have no sessions here; `heroku logout` takes that for done."""
    raise NotFound("Couldn't find that session.", resource="session")


def authorization_json(row: Authorization, user: User, *, now: datetime, token: str | None = None) -> Json:
    left = None if row.expires_at is None else max(0, int((row.expires_at - now).total_seconds()))
    return {
        "id": str(row.id),
        "access_token": {"id": derived_id(row.id, "access-token"), "token": token or row.token_hint, "expires_in": left},
        "client": None,
        "grant": None,
        "refresh_token": None,
        "session": None,
        "description": row.description,
        "scope": ["global"],
        "user": {"id": str(user.id), "email": user.email, "full_name": None},
        "created_at": timestamp(row.created_at),
        "updated_at": timestamp(row.created_at),
    }


async def _find(request: web.Request) -> Authorization:
    return await request.app[STORE].users.find_authorization(request[USER], request.match_info["authorization"])


def _expiry(seconds: int | None, now: datetime) -> datetime | None:
    if seconds is None:
        return None
    if not 0 < seconds <= _LONGEST.total_seconds():
        raise InvalidParams(
            f"expires_in must be 1 to {int(_LONGEST.total_seconds())} seconds.", remedy="Leave it out for a token that stays."
        )
    return now + timedelta(seconds=seconds)
