"""Dyno sizes: the same ones for every app."""

from __future__ import annotations

import platform

from aiohttp import web

from pushd.api.answers import Json, answer, fixed, page
from pushd.api.ranges import Field
from pushd.errors import NotFound
from pushd.model.resources import DYNO_SIZES, DynoSize

FIELDS = {
    "name": Field[DynoSize](lambda size: size.name),
    "id": Field[DynoSize](lambda size: fixed("dyno-size", size.name)["id"]),
}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


async def list_all(request: web.Request) -> web.Response:
    """GET /dyno-sizes, GET /apps/{app}/available-dyno-sizes -> 200 or 206: all there are."""
    return page(request, DYNO_SIZES, FIELDS, dyno_size_json)


async def show(request: web.Request) -> web.Response:
    """GET /dyno-sizes/{size} -> 200: by name, in any letters, or id."""
    wanted = request.match_info["size"].lower()
    for size in DYNO_SIZES:
        if wanted in (size.name.lower(), fixed("dyno-size", size.name)["id"]):
            return answer(dyno_size_json(size))
    raise NotFound("Couldn't find that dyno size.", resource="dyno_size", remedy="GET /dyno-sizes lists them.")


def dyno_size_json(size: DynoSize) -> Json:
    """Nothing is paid for, and no processor is set apart."""
    return {
        **fixed("dyno-size", size.name),
        "memory": size.memory_mb / 1024,
        "compute": int(size.share),
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "dedicated": False,
        "private_space_only": False,
        "precise_dyno_units": 0,
        "cost": None,
        "generation": fixed("generation", "cedar"),
    }
