"""Domains: each app has its default one, and custom ones that users add."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from pushd.api.answers import Json, answer, app_reference, derived_id, page, timestamp
from pushd.api.audited import note
from pushd.api.body import parse_body
from pushd.api.needs import APP, BELONGINGS, SITE, STORE, USER
from pushd.api.ranges import Field
from pushd.api.shown import Shown
from pushd.model.app import App
from pushd.model.domain import Domain, covers, default_hostname

FIELDS = {"hostname": Field[Json](lambda row: row["hostname"]), "id": Field[Json](lambda row: row["id"])}


@dataclass(frozen=True, slots=True)
class CreateBody:
    hostname: Shown[str]
    sni_endpoint: Shown[str | None] = None


@dataclass(frozen=True, slots=True)
class UpdateBody:
    sni_endpoint: Shown[str | None]


async def list_all(request: web.Request) -> web.Response:
    """GET /apps/{app}/domains -> 200 or 206: the default domain and the custom ones."""
    app = request[APP]
    custom = await request.app[STORE].domains.of(app)
    rows = [_default_json(request, app), *(_domain_json(request, app, each) for each in custom)]
    return page(request, rows, FIELDS, lambda row: row)


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/domains/{domain} -> 200: by host name or id."""
    app, default = request[APP], _default_json(request, request[APP])
    which = request.match_info["domain"]
    if which.lower().removesuffix(".") in (default["hostname"], default["id"]):
        return answer(default)
    return answer(_domain_json(request, app, await request.app[STORE].domains.find(app, which)))


async def create(request: web.Request) -> web.Response:
    """POST /apps/{app}/domains {"hostname", "sni_endpoint"} -> 201: answered once visitors of that name reach the app."""
    app, wanted = request[APP], await parse_body(request, CreateBody)
    made = await request.app[BELONGINGS].add_domain(app, wanted.hostname, wanted.sni_endpoint, request[USER])
    return answer(_domain_json(request, app, made), status=201, warning=await _mismatch(request, app, made))


async def update(request: web.Request) -> web.Response:
    """PATCH /apps/{app}/domains/{domain} {"sni_endpoint": name, id or null} -> 200."""
    app, wanted = request[APP], await parse_body(request, UpdateBody)
    changed = await request.app[BELONGINGS].bind_domain(app, _which(request), wanted.sni_endpoint, request[USER])
    note(request, {"domain": changed.hostname})
    return answer(_domain_json(request, app, changed), warning=await _mismatch(request, app, changed))


async def remove(request: web.Request) -> web.Response:
    """DELETE /apps/{app}/domains/{domain} -> 200: the domain as it was."""
    app = request[APP]
    removed = await request.app[BELONGINGS].remove_domain(app, _which(request), request[USER])
    note(request, {"domain": removed.hostname})
    return answer(_domain_json(request, app, removed))


def _which(request: web.Request) -> str:
    """The {domain} of the path; the id of the default domain means its name, for it has no row."""
    app, which = request[APP], request.match_info["domain"]
    return _default_hostname(request, app) if which == _default_id(app) else which


async def _mismatch(request: web.Request, app: App, domain: Domain) -> str | None:
    """A warning if the certificate is not for the domain: that is allowed, and browsers will refuse it."""
    if domain.endpoint_name is None:
        return None
    endpoint = await request.app[STORE].sni_endpoints.find(app, domain.endpoint_name)
    if covers(endpoint.facts.domains, domain.hostname):
        return None
    return f"The certificate {endpoint.name} is not for {domain.hostname}: browsers will refuse it."


def _domain_json(request: web.Request, app: App, domain: Domain) -> Json:
    endpoint = None if domain.endpoint_id is None else {"id": str(domain.endpoint_id), "name": domain.endpoint_name}
    return {
        "id": str(domain.id),
        "app": app_reference(app),
        "hostname": domain.hostname,
        "kind": "custom",
        "cname": _default_hostname(request, app),  # whatever leads visitors there leads here
        "status": "succeeded",
        "acm_status": None,
        "acm_status_reason": None,
        "sni_endpoint": endpoint,
        "created_at": timestamp(domain.created_at),
        "updated_at": timestamp(domain.updated_at),
    }


def _default_json(request: web.Request, app: App) -> Json:
    return {
        "id": _default_id(app),
        "app": app_reference(app),
        "hostname": _default_hostname(request, app),
        "kind": "heroku",
        "cname": None,
        "status": "none",
        "acm_status": None,
        "acm_status_reason": None,
        "sni_endpoint": None,
        "created_at": timestamp(app.created_at),
        "updated_at": timestamp(app.updated_at),
    }


def _default_hostname(request: web.Request, app: App) -> str:
    return default_hostname(app.name, request.app[SITE].domain)


def _default_id(app: App) -> str:
    return derived_id(app.id, "default-domain")
