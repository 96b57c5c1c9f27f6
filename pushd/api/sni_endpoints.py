"""Certificates that users upload for their domains. A private key comes in and never goes out."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from pushd.api.answers import Json, answer, app_reference, derived_id, page, timestamp
from pushd.api.apps import app_json
from pushd.api.audited import note
from pushd.api.body import parse_body
from pushd.api.needs import APP, BELONGINGS, STORE, USER
from pushd.api.ranges import Field
from pushd.errors import InvalidParams
from pushd.model.app import App
from pushd.model.certificate import SniEndpoint

FIELDS = {"name": Field[SniEndpoint](lambda row: row.name), "id": Field[SniEndpoint](lambda row: str(row.id))}
NOT_SERVED = (
    "The certificate is stored. This server does not serve TLS to visitors yet: put a TLS proxy in front of it until then."
)
NO_ACM = "This server does not issue certificates by itself yet."


@dataclass(frozen=True, slots=True)
class PairBody:
    certificate_chain: str
    private_key: str = field(repr=False)


async def list_all(request: web.Request) -> web.Response:
    """GET /apps/{app}/sni-endpoints -> 200 or 206: the app's certificates."""
    app = request[APP]
    return page(request, await request.app[STORE].sni_endpoints.of(app), FIELDS, lambda row: endpoint_json(app, row))


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/sni-endpoints/{sni_endpoint} -> 200: by name or id."""
    app = request[APP]
    return answer(endpoint_json(app, await request.app[STORE].sni_endpoints.find(app, _which(request))))


async def create(request: web.Request) -> web.Response:
    """POST /apps/{app}/sni-endpoints {"certificate_chain", "private_key"} -> 201, both as PEM."""
    app, pair = request[APP], await parse_body(request, PairBody)
    made = await request.app[BELONGINGS].add_certificate(app, pair.certificate_chain, pair.private_key, request[USER])
    note(request, {"sni_endpoint": made.name})
    return answer(endpoint_json(app, made), status=201, warning=NOT_SERVED)


async def update(request: web.Request) -> web.Response:
    """PATCH /apps/{app}/sni-endpoints/{sni_endpoint} {"certificate_chain", "private_key"} -> 200: its domains stay."""
    app, pair = request[APP], await parse_body(request, PairBody)
    changed = await request.app[BELONGINGS].update_certificate(
        app, _which(request), pair.certificate_chain, pair.private_key, request[USER]
    )
    note(request, {"sni_endpoint": changed.name})
    return answer(endpoint_json(app, changed), warning=NOT_SERVED)


async def remove(request: web.Request) -> web.Response:
    """DELETE /apps/{app}/sni-endpoints/{sni_endpoint} -> 200: the certificate as it was; its domains stay."""
    app = request[APP]
    removed = await request.app[BELONGINGS].remove_certificate(app, _which(request), request[USER])
    note(request, {"sni_endpoint": removed.name})
    return answer(endpoint_json(app, removed))


async def refuse_acm(request: web.Request) -> web.Response:
    """POST and PATCH /apps/{app}/acm -> 422 for now."""
    raise InvalidParams(NO_ACM, remedy="Upload one that you have: certs:add CRT KEY, then domains:update DOMAIN --cert NAME.")


async def disable_acm(request: web.Request) -> web.Response:
    """DELETE /apps/{app}/acm -> 200: the app; it is always off."""
    return answer(app_json(request, request[APP]))


def _which(request: web.Request) -> str:
    return request.match_info["sni_endpoint"]


def endpoint_json(app: App, endpoint: SniEndpoint) -> Json:
    facts = endpoint.facts
    return {
        "id": str(endpoint.id),
        "app": app_reference(app),
        "name": endpoint.name,
        "display_name": None,
        "certificate_chain": endpoint.certificate_chain,
        "domains": [str(each) for each in endpoint.domain_ids],
        "ssl_cert": {
            "id": derived_id(endpoint.id, f"certificate/{endpoint.certificate_chain}"),
            "acm": False,
            "ca_signed?": facts.ca_signed,
            "self_signed?": facts.self_signed,
            "cert_domains": list(facts.domains),
            "issuer": facts.issuer,
            "subject": facts.subject,
            "starts_at": timestamp(facts.starts_at),
            "expires_at": timestamp(facts.expires_at),
        },
        "created_at": timestamp(endpoint.created_at),
        "updated_at": timestamp(endpoint.updated_at),
    }
