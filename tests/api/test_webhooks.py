"""Webhooks over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api

GOOD = {"include": ["api:release", "api:build"], "level": "sync", "url": "https://hooks.example.com/x?y=1"}


async def made(api: Api, **more: Any) -> dict[str, Any]:
    answer = await api.request("POST", "/apps/blog/webhooks", {**GOOD, **more})
    assert answer.status == 201, answer.text
    found: dict[str, Any] = answer.json
    return found


async def test_a_webhook_is_made_shown_changed_and_removed(api: Api) -> None:
    app = await api.create("blog")
    webhook = await made(api)

    assert {name: webhook[name] for name in GOOD} == GOOD
    assert webhook["app"] == {"id": str(app.id), "name": "blog"}
    path = f"/apps/blog/webhooks/{webhook['id']}"
    assert await api.get("/apps/blog/webhooks") == [webhook] == [await api.get(path)]
    changed = (await api.request("PATCH", path, {"level": "notify", "include": ["api:app"]})).json
    assert (changed["level"], changed["include"], changed["url"]) == ("notify", ["api:app"], GOOD["url"])
    assert (await api.request("DELETE", path)).json["id"] == webhook["id"]
    assert await api.get("/apps/blog/webhooks") == []


async def test_no_answer_shows_the_url_to_who_may_not_read_it(api: Api) -> None:
    await api.create("blog")
    path = f"/apps/blog/webhooks/{(await made(api))['id']}"
    for scopes, method, body, url in (
        (["write", "deploy"], "PATCH", {"level": "notify"}, "https://hooks.example.com"),
        (["write", "deploy"], "PATCH", {"url": "https://hooks.example.com/mine"}, "https://hooks.example.com/mine"),
        (["write", "read-protected"], "PATCH", {}, "https://hooks.example.com/mine"),
        (["write"], "DELETE", None, "https://hooks.example.com"),
    ):
        token = (await api.request("POST", "/oauth/authorizations", {"scope": scopes})).json["access_token"]["token"]
        answer = await api.request(method, path, body, token=token)
        assert (answer.status, answer.json["url"]) == (200, url)


async def test_the_secret_is_shown_once_and_made_up_if_none_is_given(api: Api) -> None:
    app = await api.create("blog")

    given = await api.request("POST", "/apps/blog/webhooks", {**GOOD, "secret": "s3cret", "authorization": "Bearer t0ken"})
    made_up = await api.request("POST", "/apps/blog/webhooks", GOOD)

    assert given.headers["Heroku-Webhook-Secret"] == "s3cret"
    assert len(made_up.headers["Heroku-Webhook-Secret"]) == 64
    shown = await api.request("GET", "/apps/blog/webhooks")
    assert "s3cret" not in shown.text + given.text
    assert "t0ken" not in shown.text + given.text
    store = api.store.webhooks
    first = await store.find(app, given.json["id"])
    await api.request("PATCH", f"/apps/blog/webhooks/{first.id}", {"authorization": ""})
    secrets = await store.secrets(first)
    assert (secrets.secret, secrets.authorization) == ("s3cret", None)


async def test_what_never_comes_may_be_named_and_is_warned_of(api: Api) -> None:
    await api.create("blog")

    answer = await api.request("POST", "/apps/blog/webhooks", {**GOOD, "include": ["api:release", "api:addon"]})

    assert answer.status == 201
    assert answer.headers["X-Heroku-Warning"] == "This server never sends api:addon."


@pytest.mark.parametrize(
    "bad",
    [
        {"url": "ftp://example.com/"},
        {"url": "https://"},
        {"url": "https://user:password@example.com/"},
        {"url": "https://example.com:99999/"},
        {"url": "https://exam ple.com/"},
        {"url": "https://example.com/\r\nX: y"},
        {"url": "https://example.com/" + "a" * 2048},
        {"url": "//example.com/"},
        {"url": 1},
        {"include": []},
        {"include": ["api:moon"]},
        {"include": "api:release"},
        {"level": "loud"},
        {"secret": "a\nb"},
        {"secret": "a" * 1025},
        {"authorization": "a\r\nX: y"},
        {"authorization": "ü"},
    ],
    ids=str,
)
async def test_bad_values_are_refused_and_change_nothing(api: Api, bad: dict[str, Any]) -> None:
    await api.create("blog")
    webhook = await made(api)

    assert (await api.request("POST", "/apps/blog/webhooks", {**GOOD, **bad})).status == 422
    assert (await api.request("PATCH", f"/apps/blog/webhooks/{webhook['id']}", bad)).status == 422
    assert await api.get("/apps/blog/webhooks") == [webhook]


async def test_events_and_deliveries_are_listed_by_seq(api: Api) -> None:
    await api.create("blog")
    await made(api, include=["api:app"])
    for on in (True, False, True):
        await api.request("PATCH", "/apps/blog", {"maintenance": on})

    newest = await api.request("GET", "/apps/blog/webhook-deliveries", headers={"Range": "seq ..; order=desc,max=2"})
    assert (newest.status, len(newest.json)) == (206, 2)
    rest = await api.request("GET", "/apps/blog/webhook-deliveries", headers={"Range": newest.headers["Next-Range"]})
    assert len({each["id"] for each in (*newest.json, *rest.json)}) == 3
    events = await api.get("/apps/blog/webhook-events")
    assert [each["payload"]["data"]["maintenance"] for each in events] == [True, False, True]
    assert await api.get(f"/apps/blog/webhook-events/{events[0]['id']}") == events[0]
    delivery = newest.json[0]
    assert (delivery["status"], delivery["event"]) == ("pending", {"id": events[2]["id"], "include": "api:app"})
    assert await api.get(f"/apps/blog/webhook-deliveries/{delivery['id']}") == delivery
    assert len(await api.get("/apps/blog/webhook-deliveries?eq[status]=pending")) == 3
    assert await api.get("/apps/blog/webhook-deliveries?eq[status]=failed") == []


@pytest.mark.parametrize("path", ["webhooks/none", "webhook-events/none", "webhook-deliveries/none"])
async def test_what_is_not_there_is_404(api: Api, path: str) -> None:
    await api.create("blog")

    assert (await api.request("GET", f"/apps/blog/{path}")).status == 404


async def test_a_token_that_may_not_see_releases_cannot_have_them_sent(api: Api) -> None:
    await api.create("blog")
    webhook = await made(api)
    token = (await api.request("POST", "/oauth/authorizations", {"scope": ["write"]})).json["access_token"]["token"]

    assert (await api.request("POST", "/apps/blog/webhooks", GOOD, token=token)).status == 403
    path = f"/apps/blog/webhooks/{webhook['id']}"
    assert (await api.request("PATCH", path, {"url": "https://elsewhere.example.com/"}, token=token)).status == 403
    assert await api.get("/apps/blog/webhooks") == [webhook]
