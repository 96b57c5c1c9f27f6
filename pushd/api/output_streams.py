"""Output of builds and release phases: plain text at a URL that is the secret, live while it is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Literal
from uuid import UUID

from aiohttp import web

from pushd.api.answers import base_url
from pushd.api.needs import CLOCK, OUTPUTS, SIGNER, STORE, STREAMS
from pushd.errors import NotFound

Kind = Literal["builds", "releases"]

_VALID = timedelta(days=1)


def output_url(request: web.Request, kind: Kind, app_id: UUID, id: UUID) -> str:
    """Where the output of one build or release is read without a token, for a day."""
    claims = {"app": str(app_id), "id": str(id)}
    token = request.app[SIGNER].sign(kind, claims, until=request.app[CLOCK].now() + _VALID)
    return f"{base_url(request)}/streams/{kind}/{token}"


async def stream_build(request: web.Request) -> web.StreamResponse:
    """GET /streams/builds/{token} -> 200 text/plain until the build has ended; 404 if there is nothing yet."""
    app_id, build_id = await _read_token(request, "builds")
    return await _stream(request, request.app[OUTPUTS].of_build(app_id, build_id))


async def stream_release(request: web.Request) -> web.StreamResponse:
    """GET /streams/releases/{token} -> 200 text/plain until the release phase has ended; 404 if there is nothing yet."""
    app_id, release_id = await _read_token(request, "releases")
    return await _stream(request, request.app[OUTPUTS].of_release(app_id, release_id))


async def _read_token(request: web.Request, kind: Kind) -> tuple[UUID, UUID]:
    claims = request.app[SIGNER].read(kind, request.match_info["token"], now=request.app[CLOCK].now())
    app = await request.app[STORE].apps.find(claims["app"])
    return app.id, UUID(claims["id"])


async def _stream(request: web.Request, output: AsyncIterator[bytes] | None) -> web.StreamResponse:
    if output is None:
        raise NotFound(
            "There is no output yet, or it is no longer kept.", resource="output", remedy="Try again once it has started."
        )
    return await request.app[STREAMS].send(request, output, bytes, content_type="text/plain; charset=utf-8")
