"""Slugs: shown, downloaded, or made elsewhere and uploaded. `POST /apps/{app}/releases {"slug": id}` releases one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from pushd.api.answers import Json, answer, base_url, fixed, timestamp
from pushd.api.body import parse_body
from pushd.api.needs import APP, CLOCK, SIGNER, SLUG_UPLOADS, STORE
from pushd.api.sources import body_of
from pushd.errors import InvalidParams
from pushd.model.app import STACK, App
from pushd.model.procfile import parse_procfile, procfile_text
from pushd.model.slug import Slug, SlugState, maybe_checksum_name
from pushd.model.source import parse_checksum, parse_description, parse_version
from pushd.story.uploads import VALID

_PUT, _GET = "put slug", "get slug"


@dataclass(frozen=True, slots=True)
class CreateBody:
    process_types: Mapping[str, str]
    buildpack_provided_description: str | None = None
    checksum: str | None = None
    commit: str | None = None
    commit_description: str | None = None
    stack: str | None = None


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
    return answer(slug_json(request, slug), status=201)


async def receive(request: web.Request) -> web.Response:
    """PUT /slugs/{token} -> 200 without a body: the .tgz, with all in ./app, is unpacked and checked by then."""
    app, slug = await _read_token(request, _PUT)
    await request.app[SLUG_UPLOADS].receive(app, slug, body_of(request))
    return web.Response()


async def download(request: web.Request) -> web.StreamResponse:
    """GET /slugs/{token} -> 200: the slug as a .tgz, the same bytes for the same content."""
    _, slug = await _read_token(request, _GET)
    path = await request.app[SLUG_UPLOADS].packed(slug)
    try:
        response = web.FileResponse(path, headers={"Content-Type": "application/gzip", "Cache-Control": "no-store"})
        await response.prepare(request)  # sends all of it
        return response
    finally:
        path.unlink(missing_ok=True)


def slug_json(request: web.Request, slug: Slug) -> Json:
    method, purpose = ("put", _PUT) if slug.state is SlugState.AWAITED else ("get", _GET)
    token = request.app[SIGNER].sign(
        purpose, {"app": str(slug.app_id), "slug": str(slug.id)}, until=request.app[CLOCK].now() + VALID
    )
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


async def _read_token(request: web.Request, purpose: str) -> tuple[App, Slug]:
    claims = request.app[SIGNER].read(purpose, request.match_info["token"], now=request.app[CLOCK].now())
    app = await request.app[STORE].apps.find(claims["app"])
    return app, await request.app[STORE].slugs.find(app, UUID(claims["slug"]))


def _checked(process_types: Mapping[str, str]) -> Mapping[str, str]:
    """As a Procfile could declare them. Raises: InvalidParams, ProcfileError."""
    if not process_types:
        raise InvalidParams("process_types is empty.", remedy='Name at least one, such as {"web": "./server"}.')
    if dict(parse_procfile(procfile_text(process_types).encode("utf-8", "replace"))) != dict(process_types):
        raise InvalidParams("process_types cannot be written as a Procfile.", remedy="Give each name one line of command.")
    return process_types
