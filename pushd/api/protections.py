"""What keeps apps apart on this server, for whoever has one on it."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web

from pushd.api.answers import answer
from pushd.api.needs import SITE


async def show(request: web.Request) -> web.Response:
    """GET /-/apps/{app}/protections -> 200 [{"name", "on", "why"}]: the same for all apps today."""
    return answer([asdict(each) for each in request.app[SITE].protections])
