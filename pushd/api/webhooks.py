"""Webhooks: who listens to an app, and what they were told."""

from __future__ import annotations

import secrets as chance
from dataclasses import dataclass, field, replace

from aiohttp import web

from pushd.access.actions import Action, may
from pushd.api.answers import Json, answer, app_reference, maybe_timestamp, page, timestamp
from pushd.api.audited import note
from pushd.api.body import parse_body
from pushd.api.needs import ACCESS, APP, STORE, USER
from pushd.api.ranges import Field, created_at
from pushd.api.shown import Shown
from pushd.kit.addresses import host_alone
from pushd.model.app import App
from pushd.model.webhook import (
    INCLUDES,
    PAYLOAD_VERSION,
    Delivery,
    Secrets,
    Webhook,
    WebhookEvent,
    check_authorization,
    check_secret,
    parse_includes,
    parse_level,
    parse_webhook_url,
)

FIELDS = {
    "created_at": Field[Webhook](created_at),
    "id": Field[Webhook](lambda row: str(row.id)),
}
EVENT_FIELDS = {"seq": Field[WebhookEvent](lambda row: row.seq, int), "id": Field[WebhookEvent](lambda row: str(row.id))}
DELIVERY_FIELDS = {"seq": Field[Delivery](lambda row: row.seq, int), "id": Field[Delivery](lambda row: str(row.id))}


@dataclass(frozen=True, slots=True)
class CreateBody:
    include: Shown[tuple[str, ...]]
    level: Shown[str]
    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    authorization: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class UpdateBody:
    include: Shown[tuple[str, ...] | None] = None
    level: Shown[str | None] = None
    url: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    authorization: str | None = field(default=None, repr=False)


async def list_all(request: web.Request) -> web.Response:
    """GET /apps/{app}/webhooks -> 200 or 206."""
    return page(request, await request.app[STORE].webhooks.of(request[APP]), FIELDS, lambda row: _json(request, row))


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/webhooks/{webhook} -> 200."""
    return answer(_json(request, await _find(request)))


async def create(request: web.Request) -> web.Response:
    """POST /apps/{app}/webhooks {"include", "level", "url", "secret"?, "authorization"?} -> 201.

    The secret, made up if none is given, stands in the header Heroku-Webhook-Secret, this once.
    """
    app = _check_may_listen(request)
    wanted = await parse_body(request, CreateBody)
    include, level, url = parse_includes(wanted.include), parse_level(wanted.level), parse_webhook_url(wanted.url)
    secrets = Secrets(
        check_secret(wanted.secret) if wanted.secret else chance.token_hex(32),
        check_authorization(wanted.authorization) if wanted.authorization else None,
    )
    webhook = await request.app[STORE].webhooks.create(app, url=url, include=include, level=level, secrets=secrets)
    note(request, {"webhook": str(webhook.id)})
    response = answer(_json(request, webhook, is_theirs=True), status=201)
    if secrets.secret.isascii():
        response.headers["Heroku-Webhook-Secret"] = secrets.secret
    _warn_of_silence(response, webhook)
    return response


async def update(request: web.Request) -> web.Response:
    """PATCH /apps/{app}/webhooks/{webhook} with any of the same -> 200; an empty authorization takes the header away."""
    app, store, webhook = _check_may_listen(request), request.app[STORE], await _find(request)
    wanted = await parse_body(request, UpdateBody)
    secrets = await store.webhooks.secrets(webhook)
    changed = replace(
        webhook,
        include=webhook.include if wanted.include is None else parse_includes(wanted.include),
        level=webhook.level if wanted.level is None else parse_level(wanted.level),
        url=webhook.url if wanted.url is None else parse_webhook_url(wanted.url),
    )
    authorization = secrets.authorization
    if wanted.authorization is not None:
        authorization = check_authorization(wanted.authorization) if wanted.authorization else None
    secret = check_secret(wanted.secret) if wanted.secret else secrets.secret
    stored = await store.webhooks.update(app, changed, Secrets(secret, authorization))
    response = answer(_json(request, stored, is_theirs=wanted.url is not None))
    _warn_of_silence(response, stored)
    return response


async def destroy(request: web.Request) -> web.Response:
    """DELETE /apps/{app}/webhooks/{webhook} -> 200: the webhook as it was; what it had still to get is dropped."""
    return answer(_json(request, await request.app[STORE].webhooks.remove(request[APP], request.match_info["webhook"])))


async def list_events(request: web.Request) -> web.Response:
    """GET /apps/{app}/webhook-events -> 200 or 206, by `Range: seq ..; order=desc`."""
    return page(request, await request.app[STORE].webhook_events.of(request[APP]), EVENT_FIELDS, event_json)


async def show_event(request: web.Request) -> web.Response:
    """GET /apps/{app}/webhook-events/{event} -> 200."""
    return answer(event_json(await request.app[STORE].webhook_events.find(request[APP], request.match_info["event"])))


async def list_deliveries(request: web.Request) -> web.Response:
    """GET /apps/{app}/webhook-deliveries[?eq[status]=STATUS] -> 200 or 206, by `Range: seq ..; order=desc`."""
    found = await request.app[STORE].webhook_events.deliveries(request[APP], request.query.get("eq[status]"))
    return page(request, found, DELIVERY_FIELDS, delivery_json)


async def show_delivery(request: web.Request) -> web.Response:
    """GET /apps/{app}/webhook-deliveries/{delivery} -> 200."""
    events = request.app[STORE].webhook_events
    return answer(delivery_json(await events.find_delivery(request[APP], request.match_info["delivery"])))


def event_json(event: WebhookEvent) -> Json:
    return {
        "id": str(event.id),
        "include": event.include,
        "payload": {
            "action": event.action,
            "actor": {"id": str(event.actor_id), "email": event.actor_email},
            "data": event.data,
            "previous_data": event.previous_data,
            "published_at": timestamp(event.created_at),  # `heroku webhooks:events` prints it
            "resource": event.resource,
            "version": PAYLOAD_VERSION,
        },
        "created_at": timestamp(event.created_at),
        "updated_at": timestamp(event.created_at),
    }


def delivery_json(delivery: Delivery) -> Json:
    attempt = delivery.last_attempt
    shown = None
    if attempt is not None:
        shown = {
            "id": str(attempt.id),
            "code": attempt.code,
            "error_class": attempt.error,
            "status": "succeeded" if attempt.succeeded else "failed",
            "created_at": timestamp(attempt.at),
            "updated_at": timestamp(attempt.at),
        }
    return {
        "id": str(delivery.id),
        "event": {"id": str(delivery.event_id), "include": delivery.include},
        "webhook": {"id": str(delivery.webhook_id), "level": delivery.level.value},
        "status": delivery.status.value,
        "num_attempts": delivery.num_attempts,
        "next_attempt_at": maybe_timestamp(delivery.next_attempt_at),
        "last_attempt": shown,
        "created_at": timestamp(delivery.created_at),
        "updated_at": timestamp(delivery.updated_at),
    }


def _json(request: web.Request, webhook: Webhook, *, is_theirs: bool = False) -> Json:
    """`is_theirs`: the URL is one that they have just sent; else it is for those alone who may read what is configured."""
    may_read = is_theirs or may(request[USER], Action.CONFIG_READ, request[APP])
    return {
        "id": str(webhook.id),
        "app": app_reference(request[APP]),
        "url": webhook.url if may_read else host_alone(webhook.url),
        "include": list(webhook.include),
        "level": webhook.level.value,
        "created_at": timestamp(webhook.created_at),
        "updated_at": timestamp(webhook.updated_at),
    }


def _warn_of_silence(response: web.Response, webhook: Webhook) -> None:
    """The Heroku CLI prints this header: what cannot happen here yet may be listened to all the same."""
    if silent := [each for each in webhook.include if not INCLUDES[each]]:
        response.headers["X-Heroku-Warning"] = f"This server never sends {', '.join(silent)}."


def _check_may_listen(request: web.Request) -> App:
    """What is told names releases: a token that may not see those must not have them sent. Raises: Forbidden."""
    request.app[ACCESS].check(request[USER], Action.RELEASES, request[APP])
    return request[APP]


async def _find(request: web.Request) -> Webhook:
    """The {webhook} of the path. Raises: NotFound."""
    return await request.app[STORE].webhooks.find(request[APP], request.match_info["webhook"])
