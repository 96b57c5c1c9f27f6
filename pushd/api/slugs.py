"""Slugs: shown, downloaded, or made elsewhere and uploaded. `POST /apps/{app}/releases {"slug": id}` releases one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from pushd.api.answers import Json, answer, base_url, fixed, timestamp
from pushd.api.audited import note
from pushd.api.body import body_of, parse_body
from pushd.api.needs import APP, CLAIMS, CLOCK, SLUG_UPLOADS, STORE
from pushd.api.shown import Shown
from pushd.api.urls import signed
from pushd.errors import InvalidParams
from pushd.model.app import STACK
from pushd.model.procfile import parse_procfile, procfile_text
from pushd.model.slug import Slug, SlugState, maybe_checksum_name
from pushd.model.source import parse_checksum, parse_description, parse_version
from pushd.story.uploads import VALID

PUT, GET = "put slug", "get slug"


@dataclass(frozen=True, slots=True)
class CreateBody:
    process_types: Mapping[str, str]
    buildpack_provided_description: str | None = None
    checksum: Shown[str | None] = None
    commit: Shown[str | None] = None
    commit_description: str | None = None
    stack: Shown[str | None] = None


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/slugs/{slug} -> 200: by id or checksum."""
    return answer(slug_json(request, await request.app[STORE].slugs.find(request[APP], request.match_info["slug"])))


async def create(request: web.Request) -> web.Response:
    """POST /apps/{app}/slugs {"process_types", "checksum"?, "commit"?, ...} -> 201: its archive goes to blob.url then."""
    wanted = await parse_body(request, CreateBody)
    if wanted.stack not in (None, STACK, fixed("stack", STACK)["id"]):
        raise InvalidParams(f"There is no stack {wanted.stack[:40]!r} here.", remedy=f"Leave it out, or write {STACK}.")
    slug = await request.app[SLUG_UPLOADS].create(
        request[APP],
        _checked(wanted.process_types),
        commit=parse_version(wanted.commit, "commit"),
        commit_description=parse_description(wanted.commit_description),
        buildpack_description=parse_description(wanted.buildpack_provided_description),
        archive_checksum=parse_checksum(wanted.checksum, "checksum"),
    )
    note(request, {"slug": str(slug.id)})
    return answer(slug_json(request, slug), status=201)


async def receive(request: web.Request) -> web.Response:
    """PUT /slugs/{token} -> 200 without a body: the .tgz, with all in ./app, is unpacked and checked by then."""
    note(request, {"slug": request[CLAIMS]["slug"]})
    await request.app[SLUG_UPLOADS].receive(request[APP], await _find(request), body_of(request))
    return web.Response()


async def download(request: web.Request) -> web.StreamResponse:
    """GET /slugs/{token} -> 200: the slug as a .tgz, the same bytes for the same content."""
    path = await request.app[SLUG_UPLOADS].packed(await _find(request))
    try:
        response = web.FileResponse(path, headers={"Content-Type": "application/gzip", "Cache-Control": "no-store"})
        await response.prepare(request)  # sends all of it
        return response
    finally:
        path.unlink(missing_ok=True)


def slug_json(request: web.Request, slug: Slug) -> Json:
    method, purpose = ("put", PUT) if slug.state is SlugState.AWAITED else ("get", GET)
    until = request.app[CLOCK].now() + VALID
    token = signed(request, purpose, {"slug": str(slug.id)}, until=until, app_id=slug.app_id)
    return {
        "id": str(slug.id),
        "blob": {"method": method, "url": f"{base_url(request)}/slugs/{token}"},
        "buildpack_provided_description": slug.buildpack_description or None,
        "checksum": maybe_checksum_name(slug),
        "commit": slug.commit or None,
        "commit_description": slug.commit_description or None,
        "process_types": dict(slug.process_types),
        "size": None if slug.state is SlugState.AWAITED else slug.size_bytes,
        "stack": fixed("stack", STACK),
        "created_at": timestamp(slug.created_at),
        "updated_at": timestamp(slug.created_at),
    }


async def _find(request: web.Request) -> Slug:
    """The slug that the URL is about."""
    return await request.app[STORE].slugs.find(request[APP], UUID(request[CLAIMS]["slug"]))


def _checked(process_types: Mapping[str, str]) -> Mapping[str, str]:
    """As a Procfile could declare them. Raises: InvalidParams, ProcfileError."""
    if not process_types:
        raise InvalidParams("process_types is empty.", remedy='Name at least one, such as {"web": "./server"}.')
    if dict(parse_procfile(procfile_text(process_types).encode("utf-8", "replace"))) != dict(process_types):
        raise InvalidParams("process_types cannot be written as a Procfile.", remedy="Give each name one line of command.")
    return process_types
