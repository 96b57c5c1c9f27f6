"""URLs that are the secret, and whose they are: such a URL is good for what the token of its maker is good for, while it is."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from aiohttp import web

from pushd.access.actions import Action, may
from pushd.api.auth import Handler
from pushd.api.needs import ACCESS, APP, CLAIMS, CLOCK, SIGNER, STILL, STORE, STRANGERS, USER
from pushd.api.signed import no_such_url
from pushd.errors import NotFound
from pushd.model.user import User

_TOKEN, _USER, _APP = "by", "user", "app"


def signed(
    request: web.Request, purpose: str, claims: Mapping[str, Any], *, until: datetime, app_id: UUID | None = None
) -> str:
    """Text for a URL path that is `purpose` for whoever has it, in the name of the user who asks now."""
    about = {} if app_id is None else {_APP: str(app_id)}
    return request.app[SIGNER].sign(purpose, {**claims, **about, **whose(request[USER])}, until=until)


def whose(user: User) -> Mapping[str, str]:
    """The claims that say in whose name: the hash of the token, which tells nothing of the token itself."""
    if user.token_hash is not None:
        return {_TOKEN: base64.b85encode(user.token_hash).decode()}
    return {_USER: str(user.id)}


def guarded_by_url(handler: Handler, action: Action, purpose: str) -> Handler:
    """`handler` for whoever has a URL of that purpose, while its maker may do `action`.

    It finds what the URL says under CLAIMS, its maker under USER and, if it is about one, the app under APP.
    Raises: NotFound, in the same words for a URL that is wrong, too old, or whose maker has lost the right.
    """

    async def enter(request: web.Request) -> web.StreamResponse:
        claims = request.app[SIGNER].read(purpose, request.match_info["token"], now=request.app[CLOCK].now())
        request[CLAIMS] = claims

        async def ask() -> None:
            user, app = await _find_maker(request, claims), None
            if _APP in claims:
                try:
                    app = request[APP] = await request.app[STORE].apps.find(UUID(claims[_APP]))
                except NotFound:
                    raise no_such_url(purpose) from None
            if user is None or not may(user, action, app):
                raise no_such_url(purpose)
            request[USER] = user
            request.app[STRANGERS].belongs_to(request.transport, user.id)

        await ask()
        request[STILL] = ask  # once more when all is in that they send
        return await handler(request)

    return enter


async def claims_of(request: web.Request, token: str, action: Action, purpose: str) -> Mapping[str, Any]:
    """What a URL says that somebody names in a body, while its maker may do `action`. Raises: NotFound, as at its own door."""
    claims: Mapping[str, Any] = request.app[SIGNER].read(purpose, token, now=request.app[CLOCK].now())
    user = await _find_maker(request, claims)
    if user is None or not may(user, action, None):
        raise no_such_url(purpose)
    return claims


async def _find_maker(request: web.Request, claims: Mapping[str, Any]) -> User | None:
    if _TOKEN in claims:
        return await request.app[ACCESS].by_token_hash(base64.b85decode(claims[_TOKEN]))
    return await request.app[STORE].users.maybe_by_id(claims.get(_USER, ""))
