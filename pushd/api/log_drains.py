"""Log drains: where copies of an app's log lines are to go."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from pushd.access.actions import Action, may
from pushd.api.answers import Json, answer, app_reference, page, timestamp
from pushd.api.audited import note
from pushd.api.body import parse_body
from pushd.api.needs import APP, BELONGINGS, STORE, USER
from pushd.api.ranges import Field, created_at
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
    return page(request, await request.app[STORE].drains.of(request[APP]), FIELDS, lambda row: _drain_json(request, row))


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/log-drains/{drain} -> 200: by URL (percent-encoded), token or id."""
    return answer(_drain_json(request, await request.app[STORE].drains.find(request[APP], request.match_info["drain"])))


async def create(request: web.Request) -> web.Response:
    """POST /apps/{app}/log-drains {"url"} -> 201."""
    app, wanted = request[APP], await parse_body(request, CreateBody)
    made = await request.app[BELONGINGS].add_drain(app, wanted.url, request[USER])
    note(request, {"drain": str(made.id)})
    return answer(_drain_json(request, made, is_theirs=True), status=201, warning=NOT_DELIVERED)


async def remove(request: web.Request) -> web.Response:
    """DELETE /apps/{app}/log-drains/{drain} -> 200: the drain as it was."""
    app = request[APP]
    removed = await request.app[BELONGINGS].remove_drain(app, request.match_info["drain"], request[USER])
    note(request, {"drain": str(removed.id)})
    return answer(_drain_json(request, removed))


def _drain_json(request: web.Request, drain: Drain, *, is_theirs: bool = False) -> Json:
    """`is_theirs`: the URL is one that they have just sent; else it is for those alone who may read what is configured."""
    may_read = is_theirs or may(request[USER], Action.CONFIG_READ, request[APP])
    return {
        "id": str(drain.id),
        "app": app_reference(request[APP]),
        "addon": None,
        "url": drain.url if may_read else drain.shown,
        "token": drain.token,
        "created_at": timestamp(drain.created_at),
        "updated_at": timestamp(drain.updated_at),
    }
