"""What is the same for every app: the one region, the one stack; and lists of what this server has none of."""

from __future__ import annotations

from aiohttp import web

from pushd.api.answers import Json, answer, fixed, page, timestamp
from pushd.api.needs import SITE
from pushd.api.ranges import Field
from pushd.errors import NotFound
from pushd.model.app import REGION, STACK

FIELDS = {"name": Field[Json](lambda row: row["name"]), "id": Field[Json](lambda row: row["id"])}


async def list_regions(request: web.Request) -> web.Response:
    """GET /regions -> 200: this machine."""
    return page(request, [_region(request)], FIELDS, lambda row: row)


async def show_region(request: web.Request) -> web.Response:
    """GET /regions/{region} -> 200."""
    return _one(request, _region(request), request.match_info["region"], "region")


async def list_stacks(request: web.Request) -> web.Response:
    """GET /stacks, GET /apps/{app}/available-stacks -> 200: this machine's system, under the name that buildpacks see."""
    return page(request, [_stack(request)], FIELDS, lambda row: row)


async def show_stack(request: web.Request) -> web.Response:
    """GET /stacks/{stack} -> 200."""
    return _one(request, _stack(request), request.match_info["stack"], "stack")


async def nothing(request: web.Request) -> web.Response:
    """A list of what this server or app has none of -> 200 []."""
    return answer([])


def _one(request: web.Request, row: Json, wanted: str, resource: str) -> web.Response:
    if wanted not in (row["name"], row["id"]):
        raise NotFound(f"Couldn't find that {resource}.", resource=resource, remedy=f"The only one is {row['name']}.")
    return answer(row)


def _region(request: web.Request) -> Json:
    return {
        **fixed("region", REGION),
        "country": "",
        "locale": "",
        "description": "This server",
        "private_capable": False,
        "provider": {"name": "pushd"},
        **_since(request),
    }


def _stack(request: web.Request) -> Json:
    return {**fixed("stack", STACK), "default": True, "state": "public", **_since(request)}


def _since(request: web.Request) -> Json:
    started = timestamp(request.app[SITE].started_at)
    return {"created_at": started, "updated_at": started}
