"""Releases: listed, shown, made of an older one or of a slug."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from pushd.api.answers import Json, answer, app_reference, page, timestamp
from pushd.api.audited import note
from pushd.api.body import parse_body
from pushd.api.needs import APP, DEPLOYS, STORE, USER
from pushd.api.output_streams import output_url
from pushd.api.ranges import Field, parse_range
from pushd.api.shown import Shown
from pushd.errors import InvalidParams
from pushd.model.formation import RELEASE
from pushd.model.release import Release, ReleaseStatus, parse_release_number

FIELDS = {
    "version": Field[Release](lambda release: release.number, parse_release_number),
    "id": Field[Release](lambda release: str(release.id)),
}


@dataclass(frozen=True, slots=True)
class CreateBody:
    release: Shown[str | int | None] = None
    slug: Shown[str | None] = None
    description: Shown[str | None] = None


async def list_all(request: web.Request) -> web.Response:
    """GET /apps/{app}/releases -> 200 or 206, by `Range: version ..; order=desc,max=10`."""
    app, store = request[APP], request.app[STORE]
    wanted = parse_range(request.headers.get("Range"), FIELDS)
    newest = wanted.field == "version" and wanted.descending and wanted.first is None  # all that is asked for, and one more
    releases = await store.releases.list(app, limit=wanted.limit + 1 if newest else None)
    current = await store.releases.maybe_current(app)
    return page(request, releases, FIELDS, lambda release: release_json(request, release, current))


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/releases/{release} -> 200: by id, number or vN."""
    return answer(await _shown(request, await find_release(request)))


async def create(request: web.Request) -> web.Response:
    """POST /apps/{app}/releases {"release": id, number or vN} or {"slug": id} -> 201: roll back, or release a slug again."""
    app, user, deploys = request[APP], request[USER], request.app[DEPLOYS]
    wanted = await parse_body(request, CreateBody)
    if wanted.slug is not None and wanted.release is not None:
        raise InvalidParams("release and slug cannot both be given.", remedy="Give the one to release.")
    if wanted.slug is not None:
        release, change = await deploys.release_slug(app, wanted.slug, wanted.description or "", user)
    elif wanted.release is not None:
        release, change = await deploys.rollback(app, str(wanted.release), user)
    else:
        raise InvalidParams("release is missing.", remedy="Name the release to roll back to, or a slug.")
    note(request, {"made": f"v{release.number}"})
    return answer(await _shown(request, release), status=201, change=change)


async def find_release(request: web.Request) -> Release:
    """The {release} of the path. Raises: NotFound, or InvalidParams for what can be none."""
    return await request.app[STORE].releases.find(request[APP], request.match_info["release"])


def release_json(request: web.Request, release: Release, current: Release | None) -> Json:
    has_slug = release.slug_id is not None
    return {
        "id": str(release.id),
        "version": release.number,
        "app": app_reference(request[APP]),
        "description": release.description,
        "status": release.status.value,
        "current": current is not None and current.id == release.id,
        "slug": {"id": str(release.slug_id)} if has_slug else None,
        "artifacts": [{"type": "slug", "id": str(release.slug_id)}] if has_slug else [],
        "addon_plan_names": [],
        "eligible_for_rollback": has_slug and release.status is ReleaseStatus.SUCCEEDED,
        "output_stream_url": output_url(request, "releases", release.app_id, release.id) if _has_phase(release) else None,
        "user": {"id": str(release.user_id), "email": release.user_email},
        "created_at": timestamp(release.created_at),
        "updated_at": timestamp(release.updated_at),
    }


def _has_phase(release: Release) -> bool:
    """Whether a release phase printed something, or is about to: clients follow it from here, and find 404 until it starts."""
    is_ahead = release.status is ReleaseStatus.PENDING and RELEASE in release.process_types and not release.phase_passed
    return release.has_output or is_ahead


async def _shown(request: web.Request, release: Release) -> Json:
    current = await request.app[STORE].releases.maybe_current(request[APP])
    return release_json(request, release, current)
