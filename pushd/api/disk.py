"""What is taken of the disk, by app. Sizes are bytes on the disk."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from pushd.api.answers import answer
from pushd.api.needs import APP, DISK_USAGE
from pushd.story.disk_usage import AppUsage


async def show(request: web.Request) -> web.Response:
    """GET /-/disk -> 200: the whole data folder, what is left on its disk, and each app."""
    found = await request.app[DISK_USAGE].of_server()
    return answer(
        {
            "size": found.room.size_bytes,
            "free": found.room.free_bytes,
            "reserve": found.reserve_bytes,
            "free_files": found.room.free_files,
            "store": found.store_bytes,
            "uploads": found.uploads_bytes,
            "total": found.total_bytes,
            "apps": [_usage_json(each) for each in found.apps],
        }
    )


async def show_of_app(request: web.Request) -> web.Response:
    """GET /-/apps/{app}/disk -> 200: one app."""
    return answer(_usage_json(await request.app[DISK_USAGE].of_app(request[APP])))


def _usage_json(usage: AppUsage) -> dict[str, Any]:
    return {
        "app": {"id": str(usage.app.id), "name": usage.app.name},
        **usage.bytes_of,
        "total": usage.total_bytes,
    }
