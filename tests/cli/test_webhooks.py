"""Webhooks, as commands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.client.fake_api import MADE_AT, USER, Answer, Asked

WEBHOOK = {"id": "w1", "url": "https://example.com/", "include": ["api:release", "api:build"], "level": "sync"}
PAYLOAD = {"resource": "release", "action": "create", "published_at": MADE_AT, "actor": USER}
DELIVERY: dict[str, Any] = {
    "id": "d1", "event": {"id": "e1", "include": "api:release"}, "webhook": {"id": "w1", "level": "sync"}, "status": "retrying",
    "num_attempts": 2, "next_attempt_at": MADE_AT, "created_at": MADE_AT, "last_attempt": {"code": 500, "error_class": None},
}  # fmt: skip


@pytest.fixture
def hooks(shop: Cli) -> Cli:
    """The app shop with one webhook, one event, one delivery."""

    def answer(asked: Asked) -> Answer | None:
        match f"{asked.method} {asked.path.removeprefix('/apps/shop/')}":
            case "GET webhooks":
                return 200, [WEBHOOK]
            case "POST webhooks":
                return 201, {**WEBHOOK, **asked.body}, {"Heroku-Webhook-Secret": "5ecret"}
            case "GET webhooks/w1" | "PATCH webhooks/w1" | "DELETE webhooks/w1":
                return 200, WEBHOOK
            case "GET webhook-deliveries":
                return 200, [] if asked.query.get("eq[status]") == ["failed"] else [DELIVERY]
            case "GET webhook-deliveries/d1":
                return 200, DELIVERY
            case "GET webhook-events":
                return 200, [{"id": "e1", "payload": PAYLOAD}]
            case "GET webhook-events/e1":
                return 200, {"id": "e1", "payload": PAYLOAD}
        return None

    shop.api.before = answer
    return shop


def test_a_webhook_is_added_and_its_secret_shown(hooks: Cli) -> None:
    ended = hooks("webhooks:add", "-i", "api:release, api:build", "-l", "sync", "-u", "https://example.com/", "-t", "Bearer x")

    assert (ended.code, ended.out) == (0, "=== Webhooks Signing Secret\n\n5ecret\n")
    assert hooks.api.last("POST").body == {
        "include": ["api:release", "api:build"], "level": "sync", "url": "https://example.com/", "authorization": "Bearer x",
    }  # fmt: skip
    assert hooks("webhooks:add", "-i", "api:release", "-u", "https://example.com/").code == 2


def test_webhooks_are_listed_shown_changed_and_removed(hooks: Cli) -> None:
    assert hooks.ok("webhooks") == (
        "Webhook ID  URL                   Include                Level\n"
        "w1          https://example.com/  api:release,api:build  sync\n"
    )
    assert "Level:" in hooks.ok("webhooks:info", "w1")
    assert hooks("webhooks:update", "w1", "-l", "notify").err == "Updating webhook w1 for shop... done\n"
    assert hooks.api.last("PATCH").body == {"level": "notify"}
    assert hooks("webhooks:remove", "w1").err == "Removing webhook w1 from shop... done\n"


def test_deliveries_and_events(hooks: Cli) -> None:
    header, row = hooks.ok("webhooks:deliveries").splitlines()
    assert header.split("  ")[0] == "Delivery ID"
    assert row.split() == ["d1", MADE_AT, "retrying", "api:release", "sync", "2", "500", MADE_AT]
    assert "has no deliveries" in hooks("webhooks:deliveries", "--status", "failed").err
    shown = hooks.ok("webhooks:deliveries:info", "d1")
    assert "Code:         500" in shown
    assert '"resource": "release"' in shown
    assert hooks.ok("webhooks:events").splitlines()[1].split() == ["e1", "release", "create", MADE_AT]
    assert '"action": "create"' in hooks.ok("webhooks:events:info", "e1")
    assert json.loads(hooks.ok("webhooks:deliveries:info", "d1", "--json"))["payload"] == PAYLOAD
