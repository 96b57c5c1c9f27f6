"""Domains: each app has its default one; custom domains are not served yet."""

from __future__ import annotations

from aiohttp import web

from pushd.api.answers import Json, answer, app_reference, derived_id, page, timestamp
from pushd.api.needs import APP, SITE
from pushd.api.ranges import Field
from pushd.errors import InvalidParams, NotFound
from pushd.model.app import App

FIELDS = {"hostname": Field[Json](lambda row: row["hostname"]), "id": Field[Json](lambda row: row["id"])}


async def list_all(request: web.Request) -> web.Response:
    """GET /apps/{app}/domains -> 200: the default domain."""
    return page(request, [_default(request, request[APP])], FIELDS, lambda row: row)


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/domains/{domain} -> 200: by host name or id."""
    default = _default(request, request[APP])
    if request.match_info["domain"].lower() not in (default["hostname"], default["id"]):
        raise NotFound("Couldn't find that domain name.", resource="domain", remedy="List them: GET /apps/APP/domains.")
    return answer(default)


async def create(request: web.Request) -> web.Response:
    """POST /apps/{app}/domains -> 422 for now."""
    raise InvalidParams("Custom domains are not served yet.",
                        remedy="Use the app's own domain, or `serve --default-app` for a machine with one app.")  # fmt: skip


def _default(request: web.Request, app: App) -> Json:
    hostname = f"{app.name}.{request.app[SITE].domain}"
    return {
        "id": derived_id(app.id, "default-domain"),
        "app": app_reference(app),
        "hostname": hostname,
        "kind": "heroku",
        "cname": None,
        "status": "none",
        "acm_status": None,
        "acm_status_reason": None,
        "sni_endpoint": None,
        "created_at": timestamp(app.created_at),
        "updated_at": timestamp(app.updated_at),
    }
