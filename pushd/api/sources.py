"""Sources: where to send an archive, and where it is then. Both URLs are secrets, and say themselves until when they hold."""

from __future__ import annotations

from uuid import UUID, uuid4

from aiohttp import web

from pushd.access.actions import Action
from pushd.api.answers import answer, base_url
from pushd.api.audited import note
from pushd.api.body import body_of
from pushd.api.needs import CLAIMS, CLOCK, UPLOADS
from pushd.api.urls import claims_of, signed
from pushd.errors import InvalidParams, NotFound, PushdError
from pushd.story.uploads import VALID

PUT, GET = "put source", "get source"


async def create(request: web.Request) -> web.Response:
    """POST /sources -> 201 {"source_blob": {"put_url", "get_url"}}; nothing is stored until something is sent."""
    claims, until = {"upload": str(uuid4())}, request.app[CLOCK].now() + VALID
    note(request, {"upload": claims["upload"]})
    urls = {
        name: f"{base_url(request)}/sources/{signed(request, purpose, claims, until=until)}"
        for name, purpose in (("get_url", GET), ("put_url", PUT))
    }
    return answer({"source_blob": urls}, status=201)


async def receive(request: web.Request) -> web.Response:
    """PUT /sources/{token} -> 200 without a body: what was sent is kept for an hour, whatever its Content-Type."""
    note(request, {"upload": request[CLAIMS]["upload"]})
    await request.app[UPLOADS].receive(UUID(request[CLAIMS]["upload"]), body_of(request))
    return web.Response()


async def show(request: web.Request) -> web.StreamResponse:
    """GET /sources/{token} -> 200: the archive; 404 before it was sent and after it was built."""
    path = request.app[UPLOADS].maybe(UUID(request[CLAIMS]["upload"]))
    if path is None:
        raise NotFound("Nothing was sent there, or it is gone.", resource="source", remedy="PUT the archive to put_url first.")
    return web.FileResponse(path, headers={"Content-Type": "application/octet-stream", "Cache-Control": "no-store"})


async def maybe_upload(request: web.Request, url: str) -> UUID | None:
    """The upload that a get_url of ours means, for whoever could get it there; None for any other URL.

    Raises: InvalidParams for one that no longer holds.
    """
    token = url.rpartition("/sources/")[2]
    try:
        return UUID((await claims_of(request, token, Action.IDENTITY, GET))["upload"])
    except PushdError as error:
        if not url.startswith(f"{base_url(request)}/sources/"):
            return None
        raise InvalidParams("source_blob.url is no get_url of ours, or holds no more.",
                            remedy="Ask for new URLs with POST /sources, and upload the archive again.") from error  # fmt: skip
