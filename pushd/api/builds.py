"""Builds: the records of deploys, with their output; made by `git push`, or here of an archive."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from pushd.access.actions import Action, may
from pushd.api.answers import Json, answer, page, timestamp
from pushd.api.apps import git_url
from pushd.api.audited import note
from pushd.api.body import parse_body
from pushd.api.buildpacks import buildpack_json
from pushd.api.needs import APP, DEPLOYS, SITE, SOURCE_BUILDS, STORE, USER
from pushd.api.output_streams import output_url
from pushd.api.ranges import Field, created_at
from pushd.api.shown import Shown
from pushd.api.sources import maybe_upload
from pushd.errors import InvalidParams
from pushd.kit.addresses import host_alone
from pushd.model.app import STACK
from pushd.model.build import Build
from pushd.model.buildpack import URN, parse_buildpacks, shown
from pushd.model.source import Archive, fault_of_url, parse_checksum, parse_description, parse_version

FIELDS = {
    "created_at": Field[Build](created_at),
    "id": Field[Build](lambda build: str(build.id)),
}


@dataclass(frozen=True, slots=True)
class SourceBlobBody:
    url: str = field(repr=False)  # may hold a log-in
    version: Shown[str | None] = None
    version_description: str | None = None
    checksum: Shown[str | None] = None


@dataclass(frozen=True, slots=True)
class BuildpackBody:
    url: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class CreateBody:
    source_blob: SourceBlobBody
    buildpacks: tuple[BuildpackBody, ...] | None = None
    normalize_project_root: bool | None = None


async def list_all(request: web.Request) -> web.Response:
    """GET /apps/{app}/builds -> 200 or 206, oldest first."""
    builds = await request.app[STORE].builds.list(request[APP])
    return page(request, builds, FIELDS, lambda build: build_json(request, build))


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/builds/{build} -> 200."""
    return answer(build_json(request, await request.app[STORE].builds.find(request[APP], request.match_info["build"])))


async def create(request: web.Request) -> web.Response:
    """POST /apps/{app}/builds {"source_blob": {"url", ...}, "buildpacks"?} -> 201: pending; its output can be followed."""
    wanted = await parse_body(request, CreateBody)
    names = [each.url or each.name or "" for each in wanted.buildpacks or ()]
    build = await request.app[SOURCE_BUILDS].start(
        request[APP],
        await _archive(request, wanted),
        request[USER],
        buildpacks=parse_buildpacks(names, request.app[SITE].buildpacks),
    )
    note(request, {"build": str(build.id)})
    return answer(build_json(request, build), status=201)


async def cancel(request: web.Request) -> web.Response:
    """DELETE /apps/{app}/builds/{build} -> 200: failed, as cancelled; 422 once its release is under way."""
    build = await request.app[DEPLOYS].cancel_build(request[APP], request.match_info["build"], request[USER])
    return answer(build_json(request, build))


def build_json(request: web.Request, build: Build) -> Json:
    """Addresses are without their log-in: who may see a build need not know it, nor the config var that it came from.

    Nor need they read the code, to which the rest of the address may be the key: one of ours is, and any that is signed.
    """
    source = shown(build.source_url)
    if source and not may(request[USER], Action.FETCH, request[APP]):
        source = host_alone(source)
    return {
        "id": str(build.id),
        "app": {"id": str(build.app_id)},
        "buildpacks": [buildpack_json(shown(name) if ":" in name else URN + name) for name in build.buildpacks],
        "output_stream_url": output_url(request, "builds", build.app_id, build.id),
        "source_blob": {
            "checksum": f"SHA256:{build.source_checksum}" if build.source_checksum else None,
            "url": source or git_url(request, request[APP]),
            "version": build.commit or None,
            "version_description": (build.description if build.source_url else build.branch) or None,
        },
        "release": {"id": str(build.release_id)} if build.release_id else None,
        "slug": {"id": str(build.slug_id)} if build.slug_id else None,
        "stack": STACK,
        "status": build.status.value,
        "reason": build.reason,  # ours: why it failed
        "user": {"id": str(build.user_id), "email": build.user_email},
        "created_at": timestamp(build.created_at),
        "updated_at": timestamp(build.updated_at),
    }


async def _archive(request: web.Request, wanted: CreateBody) -> Archive:
    blob = wanted.source_blob
    upload = await maybe_upload(request, blob.url)
    if upload is None and (fault := fault_of_url(blob.url)):
        raise InvalidParams(f"source_blob.url cannot be fetched: {fault}.", remedy="Give an https:// address of a .tar.gz.")
    return Archive(
        url=blob.url,
        upload=upload,
        version=parse_version(blob.version),
        description=parse_description(blob.version_description),
        checksum=parse_checksum(blob.checksum),
        keeps_top_folder=wanted.normalize_project_root is False,
    )
