"""Webhooks: URLs that are told what happens to an app."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, on_app


@click.command("webhooks")
@on_app
@json_option
def list_webhooks(here: Here, as_json: bool) -> None:
    """List the webhooks of an app.

    \b
    Example:
        pushd webhooks
    """
    found = here.client.webhooks(here.app).all()
    if as_json:
        return render.json(found)
    if not found:
        return render.hint(f"{here.app} has no webhooks. Add one: pushd webhooks:add -i api:release -l notify -u URL")
    rows = [(each["id"], each["url"], ",".join(each["include"]), each["level"]) for each in found]
    render.table(("Webhook ID", "URL", "Include", "Level"), rows)


def _described(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that say what a webhook is."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option("-t", "--authorization", metavar="TEXT", help="Authorization header to send with each request."),
            click.option("-s", "--secret", metavar="TEXT", help="What to sign with in Heroku-Webhook-Hmac-SHA256."),
            click.option("-u", "--url", metavar="URL", required=required, help="Where to send."),
            click.option(
                "-l",
                "--level",
                type=click.Choice(["notify", "sync"]),
                required=required,
                help="Try once, or until it succeeds.",
            ),
            click.option(
                "-i", "--include", metavar="NAME,...", required=required, help="What to tell of: api:release,api:build"
            ),
        ):
            function = option(function)
        return function

    return decorate


@click.command("webhooks:add")
@_described(required=True)
@on_app
@json_option
def add(here: Here, as_json: bool, **given: str | None) -> None:
    """Add a webhook to an app.

    Without --secret one is made up; it is shown this once.

    \b
    Example:
        pushd webhooks:add -i api:release,api:build -l sync -u https://example.com/hooks
    """
    with render.doing(f"Adding webhook to {here.app}"):
        webhook, secret = here.client.add_webhook(here.app, _body(given))
    if as_json:
        return render.json({**webhook, "secret": secret})
    if secret:
        render.heading("Webhooks Signing Secret")
        render.out(secret)


@click.command("webhooks:info")
@click.argument("webhook", metavar="ID")
@on_app
@json_option
def info(here: Here, webhook: str, as_json: bool) -> None:
    """Show a webhook.

    \b
    Example:
        pushd webhooks:info 01234567-89ab-cdef-0123-456789abcdef
    """
    found = here.client.webhooks(here.app).find(webhook)
    if as_json:
        return render.json(found)
    render.heading(found["id"])
    render.pairs({
        "Include": ",".join(found["include"]), "Level": found["level"], "URL": found["url"], "Webhook ID": found["id"],
    })  # fmt: skip


@click.command("webhooks:update")
@click.argument("webhook", metavar="ID")
@_described(required=False)
@on_app
@json_option
def update(here: Here, webhook: str, as_json: bool, **given: str | None) -> None:
    """Change a webhook; what is not given stays.

    \b
    Example:
        pushd webhooks:update 01234567-89ab-cdef-0123-456789abcdef -l sync
    """
    with render.doing(f"Updating webhook {webhook} for {here.app}"):
        changed = here.client.webhooks(here.app).update(webhook, _body(given))
    if as_json:
        render.json(changed)


@click.command("webhooks:remove")
@click.argument("webhook", metavar="ID")
@on_app
@json_option
def remove(here: Here, webhook: str, as_json: bool) -> None:
    """Remove a webhook, with what it had still to get.

    \b
    Example:
        pushd webhooks:remove 01234567-89ab-cdef-0123-456789abcdef
    """
    with render.doing(f"Removing webhook {webhook} from {here.app}"):
        removed = here.client.webhooks(here.app).remove(webhook)
    if as_json:
        render.json(removed)


@click.command("webhooks:deliveries")
@click.option("-s", "--status", metavar="STATUS", help="Only pending, retrying, succeeded or failed ones.")
@on_app
@json_option
def deliveries(here: Here, status: str | None, as_json: bool) -> None:
    """List what webhooks were sent and how it went.

    \b
    Example:
        pushd webhooks:deliveries --status failed
    """
    found = here.client.webhook_deliveries(here.app, status).all()
    if as_json:
        return render.json(found)
    if not found:
        return render.hint(f"{here.app} has no deliveries")
    columns = ("Delivery ID", "Created", "Status", "Include", "Level", "Attempts", "Code", "Error", "Next Attempt")
    rows = []
    for each in found:
        attempt = each["last_attempt"]
        rows.append((
            each["id"], each["created_at"], each["status"], each["event"]["include"], each["webhook"]["level"],
            each["num_attempts"], attempt and attempt["code"], attempt and attempt["error_class"], each["next_attempt_at"],
        ))  # fmt: skip
    render.table(columns, rows)


@click.command("webhooks:deliveries:info")
@click.argument("delivery", metavar="ID")
@on_app
@json_option
def delivery_info(here: Here, delivery: str, as_json: bool) -> None:
    """Show a delivery with what was sent.

    \b
    Example:
        pushd webhooks:deliveries:info 01234567-89ab-cdef-0123-456789abcdef
    """
    found = here.client.webhook_deliveries(here.app).find(delivery)
    event = here.client.webhook_events(here.app).find(found["event"]["id"])
    if as_json:
        return render.json({**found, "payload": event["payload"]})
    attempt = found["last_attempt"]
    render.heading(found["id"])
    render.pairs({
        "Created": found["created_at"], "Event": found["event"]["id"], "Webhook": found["webhook"]["id"],
        "Status": found["status"], "Include": found["event"]["include"], "Level": found["webhook"]["level"],
        "Attempts": found["num_attempts"], "Code": (attempt and attempt["code"]) or "",
        "Error": (attempt and attempt["error_class"]) or "", "Next Attempt": found["next_attempt_at"] or "",
    })  # fmt: skip
    render.out("")
    render.heading("Event Payload")
    render.json(event["payload"])


@click.command("webhooks:events")
@on_app
@json_option
def events(here: Here, as_json: bool) -> None:
    """List what happened to an app that a webhook listened to.

    \b
    Example:
        pushd webhooks:events
    """
    found = here.client.webhook_events(here.app).all()
    if as_json:
        return render.json(found)
    if not found:
        return render.hint(f"{here.app} has no events")
    rows = [
        (each["id"], each["payload"]["resource"], each["payload"]["action"], each["payload"]["published_at"]) for each in found
    ]
    render.table(("Event ID", "Resource", "Action", "Published At"), rows)


@click.command("webhooks:events:info")
@click.argument("event", metavar="ID")
@on_app
@json_option
def event_info(here: Here, event: str, as_json: bool) -> None:
    """Show an event.

    \b
    Example:
        pushd webhooks:events:info 01234567-89ab-cdef-0123-456789abcdef
    """
    found = here.client.webhook_events(here.app).find(event)
    if as_json:
        return render.json(found)
    render.heading(found["id"])
    render.json(found["payload"])


def _body(given: dict[str, str | None]) -> dict[str, Any]:
    body: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if "include" in body:
        body["include"] = [part.strip() for part in body["include"].split(",") if part.strip()]
    return body
