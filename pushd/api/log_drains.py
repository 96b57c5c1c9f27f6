"""Log drains: where copies of an app's log lines are to go."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from pushd.api.answers import Json, answer, app_reference, page, timestamp
from pushd.api.audited import note
from pushd.api.body import parse_body
from pushd.api.needs import APP, BELONGINGS, STORE, USER
from pushd.api.ranges import Field, created_at
from pushd.model.app import App
from pushd.model.drain import Drain

FIELDS = {
    "created_at": Field[Drain](created_at),
    "id": Field[Drain](lambda row: str(row.id)),
}
NOT_DELIVERED = "The drain is stored. This server does not deliver to drains yet: lines stay in its own log until then."


@dataclass(frozen=True, slots=True)
class CreateBody:
    url: str = field(repr=False)


async def list_all(request: web.Request) -> web.Response:
    """GET /apps/{app}/log-drains -> 200 or 206."""
    app = request[APP]
    return page(request, await request.app[STORE].drains.of(app), FIELDS, lambda row: _drain_json(app, row))


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/log-drains/{drain} -> 200: by URL (percent-encoded), token or id."""
    app = request[APP]
    return answer(_drain_json(app, await request.app[STORE].drains.find(app, request.match_info["drain"])))


async def create(request: web.Request) -> web.Response:
    """POST /apps/{app}/log-drains {"url"} -> 201."""
    app, wanted = request[APP], await parse_body(request, CreateBody)
    made = await request.app[BELONGINGS].add_drain(app, wanted.url, request[USER])
    note(request, {"drain": str(made.id)})
    return answer(_drain_json(app, made), status=201, warning=NOT_DELIVERED)


async def remove(request: web.Request) -> web.Response:
    """DELETE /apps/{app}/log-drains/{drain} -> 200: the drain as it was."""
    app = request[APP]
    removed = await request.app[BELONGINGS].remove_drain(app, request.match_info["drain"], request[USER])
    note(request, {"drain": str(removed.id)})
    return answer(_drain_json(app, removed))


def _drain_json(app: App, drain: Drain) -> Json:
    return {
        "id": str(drain.id),
        "app": app_reference(app),
        "addon": None,
        "url": drain.url,
        "token": drain.token,
        "created_at": timestamp(drain.created_at),
        "updated_at": timestamp(drain.updated_at),
    }
