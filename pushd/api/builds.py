"""Builds: the records of deploys, with their output. They are made by `git push`."""

from __future__ import annotations

from aiohttp import web

from pushd.api.answers import Json, answer, page, timestamp
from pushd.api.apps import git_url
from pushd.api.body import read_object
from pushd.api.needs import APP, STORE
from pushd.api.output_streams import output_url
from pushd.api.ranges import Field
from pushd.errors import InvalidParams
from pushd.model.app import STACK
from pushd.model.build import Build

FIELDS = {
    "created_at": Field[Build](lambda build: build.created_at.isoformat(timespec="microseconds")),
    "id": Field[Build](lambda build: str(build.id)),
}


async def list_all(request: web.Request) -> web.Response:
    """GET /apps/{app}/builds -> 200 or 206, oldest first."""
    builds = await request.app[STORE].builds.list(request[APP])
    return page(request, builds, FIELDS, lambda build: build_json(request, build))


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/builds/{build} -> 200."""
    return answer(build_json(request, await request.app[STORE].builds.find(request[APP], request.match_info["build"])))


async def create(request: web.Request) -> web.Response:
    """POST /apps/{app}/builds -> 422: sources come by `git push` for now."""
    await read_object(request)
    raise InvalidParams(
        "Builds of an uploaded source are not served yet.",
        remedy=f"Push the source: git push {git_url(request, request[APP])} main",
    )


def build_json(request: web.Request, build: Build) -> Json:
    return {
        "id": str(build.id),
        "app": {"id": str(build.app_id)},
        "buildpacks": [{"name": name, "url": name} for name in build.buildpacks],
        "output_stream_url": output_url(request, "builds", build.app_id, build.id),
        "source_blob": {
            "checksum": None,
            "url": git_url(request, request[APP]),
            "version": build.commit,
            "version_description": build.branch,
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
