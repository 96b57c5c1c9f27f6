"""What one delivery says, as bytes and headers. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime
from uuid import UUID

from pushd import __version__
from pushd.model.webhook import PAYLOAD_VERSION
from pushd.store.webhook_events import Due


def body_of(due: Due, attempt_id: UUID, now: datetime) -> bytes:
    """JSON with the fields, in the sense, that Heroku's webhooks have.

    Source: the examples of webhook events in Heroku's documentation.
    """
    event = due.event
    message = {
        "id": str(event.id),
        "action": event.action,
        "resource": event.resource,
        "actor": {"id": str(event.actor_id), "email": event.actor_email},
        "data": event.data,
        "previous_data": event.previous_data,
        "created_at": _time(event.created_at),
        "updated_at": _time(event.created_at),
        "published_at": _time(now),
        "sequence": event.seq,
        "version": PAYLOAD_VERSION,
        "webhook_metadata": {
            "attempt": {"id": str(attempt_id)},
            "delivery": {"id": str(due.delivery.id)},
            "event": {"id": str(event.id), "include": event.include},
            "webhook": {"id": str(due.delivery.webhook_id)},
        },
    }
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def headers_of(due: Due, body: bytes) -> dict[str, str]:
    """The signature is Base64 of HMAC-SHA256 over the body, with the webhook's secret as key."""
    signature = hmac.new(due.secrets.secret.encode(), body, hashlib.sha256).digest()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"pushd-webhooks/{__version__}",
        "Heroku-Webhook-Hmac-SHA256": base64.b64encode(signature).decode(),
    }
    if due.secrets.authorization is not None:
        headers["Authorization"] = due.secrets.authorization
    return headers


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
