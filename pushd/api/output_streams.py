"""Output of builds and release phases: plain text at a URL that is the secret, live while it is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Literal
from uuid import UUID

from aiohttp import web

from pushd.access.actions import Action
from pushd.api.answers import base_url
from pushd.api.needs import APP, CLAIMS, CLOCK, OUTPUTS, STANDING, STREAMS, USER
from pushd.api.urls import signed
from pushd.errors import NotFound

Kind = Literal["builds", "releases"]

_VALID = timedelta(days=1)


def output_url(request: web.Request, kind: Kind, app_id: UUID, id: UUID) -> str:
    """Where the output of one build or release is read without a token, for a day."""
    token = signed(request, kind, {"id": str(id)}, until=request.app[CLOCK].now() + _VALID, app_id=app_id)
    return f"{base_url(request)}/streams/{kind}/{token}"


async def stream_build(request: web.Request) -> web.StreamResponse:
    """GET /streams/builds/{token} -> 200 text/plain until the build has ended; 404 if there is nothing yet."""
    output = request.app[OUTPUTS].of_build(request[APP].id, UUID(request[CLAIMS]["id"]))
    return await _stream(request, output, Action.APP_VIEW)


async def stream_release(request: web.Request) -> web.StreamResponse:
    """GET /streams/releases/{token} -> 200 text/plain until the release phase has ended; 404 if there is nothing yet."""
    output = request.app[OUTPUTS].of_release(request[APP].id, UUID(request[CLAIMS]["id"]))
    return await _stream(request, output, Action.RELEASES)


async def _stream(request: web.Request, output: AsyncIterator[bytes] | None, action: Action) -> web.StreamResponse:
    if output is None:
        raise NotFound(
            "There is no output yet, or it is no longer kept.", resource="output", remedy="Try again once it has started."
        )
    with request.app[STANDING].watch(request[USER], action, request[APP].id) as lost:
        return await request.app[STREAMS].send(request, output, bytes, content_type="text/plain; charset=utf-8", until=lost)
