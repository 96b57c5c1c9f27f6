"""How answers look, whatever they are about: times, references, pages, headers, absolute URLs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid5

from aiohttp import web

from pushd.api.ranges import Field, parse_range, plan_page
from pushd.model.app import App
from pushd.model.change import Change

T = TypeVar("T")
Json = Mapping[str, Any]

_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_FIXED = UUID("6f0b2a52-9b1c-5d0e-8c55-6d1a9a2f7e01")  # names the things of this platform that are always the same


def answer(data: Any, *, status: int = 200, change: Change | None = None, warning: str | None = None) -> web.Response:
    """JSON; `change` goes by its id into the header that our client waits by, `warning` into the one that clients print."""
    response = web.json_response(data, status=status)
    if warning is not None:
        response.headers["X-Heroku-Warning"] = warning
    if change is not None:
        response.headers["Pushd-Change"] = str(change.id)
    return response


def page(request: web.Request, rows: Sequence[T], fields: Mapping[str, Field[T]], show: Callable[[T], Json]) -> web.Response:
    """The part of `rows` that the request's Range asks for: 200 if that is all, else 206 with Next-Range."""
    chosen, following = plan_page(rows, parse_range(request.headers.get("Range"), fields), fields)
    response = web.json_response([show(row) for row in chosen], status=206 if following else 200)
    response.headers["Accept-Ranges"] = ", ".join(fields)
    if following:
        response.headers["Next-Range"] = following
    return response


def timestamp(moment: datetime) -> str:
    """2026-01-02T03:04:05Z"""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def maybe_timestamp(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


def app_reference(app: App) -> Json:
    """How other resources name their app."""
    return {"id": str(app.id), "name": app.name}


def fixed(kind: str, name: str) -> Json:
    """A reference to something that is the same on every pushd, such as the stack; its id follows from its name."""
    return {"id": str(uuid5(_FIXED, f"{kind}/{name}")), "name": name}


def derived_id(parent: UUID, name: str) -> str:
    """The id of something that has no row of its own, such as an app's default domain."""
    return str(uuid5(parent, name))


def base_url(request: web.Request) -> str:
    """`http://localhost:5000`: this server as the client sees it, through whatever tunnel it came."""
    host = request.headers.get("Host", "")
    if not _HOST.fullmatch(host):
        host = _own_address(request)
    return f"{'https' if request.secure else 'http'}://{host}"


def _own_address(request: web.Request) -> str:
    """For the rare client without a Host that can stand in a URL: the address that it reached."""
    name = request.transport.get_extra_info("sockname") if request.transport else None
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "localhost"
