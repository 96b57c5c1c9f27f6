"""Every documented call that we serve is made once; what differs from the schemas is exactly what is listed."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from pushd.api.routes import ROUTES
from pushd.model.app import App
from pushd.model.pem import parse_pair
from pushd.model.pipeline import Pipeline, Stage
from pushd.model.webhook import INCLUDES, Level, Secrets, Webhook
from tests.api.conftest import Api, Deployed, running_api
from tests.contracts.validate import ContractChecker, listed_deviations
from tests.pki import KEY_OF_NOBODY, issue, ssh_public_key

NO_JSON = {
    *("/logs/{token}", "/streams/builds/{token}", "/streams/releases/{token}", "/-/metrics", "/-/ca.pem"),
    *("/sources/{token}", "/slugs/{token}"),
    *("/auth/browser/{token}", "/auth/cli/{token}"),
    "/-/runs/{secret}",
}
ALWAYS_REFUSED = {  # not served yet, or a 404 that means "none"
    "POST /apps/{app}/acm",
    "PATCH /apps/{app}/acm",
    "DELETE /oauth/sessions/{session}",
    "POST /oauth/clients",
    "GET /account/features/{feature}",
    "PATCH /account/features/{feature}",
    "GET /oauth/clients/{client}",
    "PATCH /oauth/clients/{client}",
    "DELETE /oauth/clients/{client}",
    "POST /oauth/clients/{client}/actions/rotate-credentials",
}
CERTIFICATE = issue("www.example.com")
PAIR = {"certificate_chain": CERTIFICATE.pem, "private_key": CERTIFICATE.key_pem}
BODIES: dict[str, Any] = {
    "POST /apps": {"name": "made"},
    "PATCH /apps/{app}": {"maintenance": True},
    "PATCH /apps/{app}/config-vars": {"KEY": "val"},
    "POST /apps/{app}/releases": {"release": "v2"},
    "POST /apps/{app}/slugs": {"process_types": {"web": "./server"}},
    "POST /apps/{app}/builds": {"source_blob": {"url": "https://code.invalid/hello.tgz", "version": "v1"}},
    "PUT /apps/{app}/buildpack-installations": {"updates": [{"buildpack": "heroku/python"}]},
    "PATCH /apps/{app}/formation": {"updates": [{"type": "web", "quantity": "2"}]},
    "PATCH /apps/{app}/formation/{type}": {"quantity": 1},
    "POST /apps/{app}/dynos": {"command": "flask routes"},
    "POST /apps/{app}/dynos/{dyno}": {"command": "flask routes"},
    "POST /apps/{app}/log-sessions": {"lines": 10},
    "POST /account/keys": {"public_key": ssh_public_key(KEY_OF_NOBODY)},
    "POST /apps/{app}/collaborators": {"user": "new@example.com"},
    "POST /apps/{app}/domains": {"hostname": "new.example.com", "sni_endpoint": None},
    "PATCH /apps/{app}/domains/{domain}": {"sni_endpoint": None},
    "POST /apps/{app}/sni-endpoints": PAIR,
    "PATCH /apps/{app}/sni-endpoints/{sni_endpoint}": PAIR,
    "POST /apps/{app}/log-drains": {"url": "https://new.example.com/"},
    "POST /oauth/authorizations": {"scope": ["global"], "expires_in": 60},
    "PATCH /account": {"name": "Ada"},
    "POST /-/users": {"email": "newcomer@example.com"},
    "PATCH /-/users/{user}": {"admin": True},
    "POST /password-resets/{token}/actions/finalize": {
        "password": "correct horse battery",
        "password_confirmation": "correct horse battery",
    },
    "PATCH /apps/{app}/features/{feature}": {"enabled": True},
    "PATCH /-/apps/{app}/resources/{type}": {"memory": "600M"},
    "PATCH /-/apps/{app}/settings": {"probe-path": "/up"},
    "POST /filters/apps": {"in": {"id": ["{app_id}"]}},
    "POST /apps/{app}/webhooks": {"include": ["api:release"], "level": "sync", "url": "https://hooks.example.com/"},
    "PATCH /apps/{app}/webhooks/{webhook}": {"level": "notify"},
    "POST /pipelines": {"name": "another"},
    "PATCH /pipelines/{pipeline}": {"name": "renamed"},
    "POST /pipeline-couplings": {"app": "{other_app}", "pipeline": "{pipeline}", "stage": "staging"},
    "PATCH /pipeline-couplings/{coupling}": {"stage": "production"},
    "POST /pipeline-promotions": {
        "pipeline": {"id": "{pipeline}"},
        "source": {"app": {"id": "shop"}},
        "targets": [{"app": {"id": "{other_app}"}}],
    },
}


async def make_every_call(api: Api) -> dict[str, int]:
    """Each row of the table -> the status of its answer; calls that destroy come last."""
    shop = await api.deployed("shop")
    await api.store.releases.set_has_output(shop.release)
    await api.request("POST", "/apps/shop/releases", {"slug": str(shop.slug.id)})
    await add_belongings(api, shop.app)
    await _webhook(api, shop.app)
    await api.store.apps.set_maintenance(shop.app, False)
    await api.store.apps.set_maintenance(shop.app, True)
    await api.store.pipelines.couple(shop.app, await _pipeline(api), Stage.STAGING)
    rows = sorted((row for row in ROUTES if row.path not in NO_JSON), key=lambda row: row.method == "DELETE")
    rows.sort(key=lambda row: (row.method, row.path) == ("DELETE", "/apps/{app}"))
    statuses: dict[str, int] = {}
    for row in rows:
        name = f"{row.method} {row.path}"
        body = json.loads(await _fill(api, shop, json.dumps(BODIES.get(name))))
        answer = await api.request(row.method, await _fill(api, shop, row.path), body)
        statuses[name] = answer.status
    return statuses


async def add_belongings(api: Api, app: App) -> None:
    """One of each, so that there is what to show, change and remove."""
    pair = parse_pair(CERTIFICATE.pem, CERTIFICATE.key_pem, roots=[], now=datetime.now(UTC))
    await api.store.sni_endpoints.add(app, "calm-fjord-12345", pair)
    await api.store.domains.add(app, "www.example.com", "calm-fjord-12345")
    await api.store.collaborators.add(app, "ada@example.com", by=api.operator)
    await api.store.drains.add(app, "https://logs.example.com/")


async def _webhook(api: Api, app: App) -> Webhook:
    """One that listens to everything."""
    secrets = Secrets("s3cret", None)
    return await api.store.webhooks.create(
        app, url="https://hooks.example.com/", include=tuple(INCLUDES), level=Level.SYNC, secrets=secrets
    )


async def _pipeline(api: Api) -> Pipeline:
    return await api.store.pipelines.create(f"line-{uuid4().hex[:8]}", api.operator)


async def _fill(api: Api, shop: Deployed, path: str) -> str:
    known = {
        "secret": "0" * 64,
        "app": "shop",
        "app_id": str(shop.app.id),
        "user": "~",
        "release": "v2",
        "slug": str(shop.slug.id),
        "build": str(shop.build.id),
        "type": "web",
        "size": "standard-1x",
        "dyno": "web.1",
        "domain": "www.example.com",
        "collaborator": "ada@example.com",
        "drain": quote("https://logs.example.com/", safe=""),
        "region": "us",
        "stack": "heroku-24",
        "session": "~",
        "client": "none",
        "feature": "log-runtime-metrics",
        "buildpack": "heroku%2Fpython",
    }
    if path.startswith("/-/users/{user}"):
        made, _ = await api.store.accounts.add(f"{uuid4().hex}@example.com", is_admin=False, by=api.operator)
        known["user"] = made.user.email
    if path.startswith("/password-resets/{token}"):
        known["token"] = (await api.store.accounts.add(f"{uuid4().hex}@example.com", is_admin=False, by=api.operator))[1]
    if "{authorization}" in path:
        authorization, _ = await api.store.users.create_authorization(api.operator, "for this call")
        known["authorization"] = str(authorization.id)
    if "{sni_endpoint}" in path:
        known["sni_endpoint"] = (await api.store.sni_endpoints.of(shop.app))[0].name
    if "{key}" in path:
        known["key"] = str((await api.store.ssh_keys.of(api.operator))[0].id)
    if "{webhook}" in path:
        known["webhook"] = str((await api.store.webhooks.of(shop.app))[-1].id)
    if "{event}" in path:
        known["event"] = str((await api.store.webhook_events.of(shop.app))[0].id)
    if "{delivery}" in path:
        known["delivery"] = str((await api.store.webhook_events.deliveries(shop.app))[0].id)
    if "{pipeline}" in path:
        known["pipeline"] = str((await _pipeline(api)).id)
    if "{other_app}" in path:
        known["other_app"] = (await api.create(f"other-{uuid4().hex[:8]}")).name
    if "{coupling}" in path:
        other = await api.create(f"other-{uuid4().hex[:8]}")
        known["coupling"] = str((await api.store.pipelines.couple(other, await _pipeline(api), Stage.STAGING)).id)
    if "{promotion}" in path:
        promotion = await api.store.promotions.create(await _pipeline(api), shop.app, shop.release, [shop.app])
        known["promotion"] = str(promotion.id)
    if "{change}" in path:
        known["change"] = str((await api.store.changes.create(shop.app, 2)).id)
    return re.sub(r"\{(\w+)\}", lambda found: known[found[1]], path)


async def test_every_answer_fits_and_every_listed_deviation_is_needed(tmp_path: Path) -> None:
    checker = ContractChecker()
    async with running_api(tmp_path, checker) as api:
        statuses = await make_every_call(api)

    refused = {name for name, status in statuses.items() if status >= 400}
    assert refused == ALWAYS_REFUSED
    unneeded = set(listed_deviations()) - checker.used
    assert not unneeded, f"listed in deviations.toml, but no answer differs so: {sorted(unneeded)}"


async def test_partial_lists_fit_too(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api:
        await asyncio.gather(*(api.create(name) for name in ("one", "two", "three")))
        answer = await api.request("GET", "/apps", headers={"Range": "name ..; max=2"})

    assert (answer.status, answer.headers["Next-Range"]) == (206, "name ]three..; max=2")


def test_each_deviation_has_a_reason() -> None:
    assert all(len(reason.split()) > 5 for reason in listed_deviations().values())


@pytest.mark.parametrize(
    ("method", "path", "status", "body", "told"),
    [
        ("GET", "/apps/x/nowhere", 200, [], "no such call"),
        ("GET", "/account/keys", 200, [{}], "key.id missing"),
        ("GET", "/apps/x/config-vars", 200, {"A": 1}, "config-var.A"),
        ("GET", "/apps/x", 404, {"message": "x"}, "'id' is a required property"),
        ("GET", "/apps/x", 404, {"id": "not_found", "message": ""}, "message"),
        ("DELETE", "/apps/x/dynos", 202, {"more": 1}, "dyno.more added"),
        ("GET", "/-/changes/x", 200, {"id": "no-uuid", "state": "odd", "release": "2", "reason": ""}, "change.state enum"),
    ],
)
def test_the_checker_finds_what_is_wrong(method: str, path: str, status: int, body: Any, told: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(told)):
        ContractChecker().check(method, path, status, body)
