"""Log drains of an app."""

from __future__ import annotations

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, on_app


@click.command("drains")
@on_app
@json_option
def list_drains(here: Here, as_json: bool) -> None:
    """List the log drains of an app.

    \b
    Example:
        pushd drains
    """
    found = here.client.drains(here.app).all()
    if as_json:
        return render.json(found)
    if not found:
        return render.hint(f"{here.app} has no log drains.")
    render.heading("Drains")
    for each in found:
        render.out(f"{render.printable(each['url'])} ({each['token']})")


@click.command("drains:add")
@click.argument("url")
@on_app
@json_option
def add(here: Here, url: str, as_json: bool) -> None:
    """Add a log drain to an app.

    A URL of https, http, syslog+tls or syslog, where copies of the app's log lines are to go.

    \b
    Examples:
        pushd drains:add syslog+tls://logs.example.com:6514
        pushd drains:add https://user:password@logs.example.com/in
    """
    made = here.client.drains(here.app).create({"url": url})
    if as_json:
        return render.json(made)
    render.out(f"Successfully added drain {made['url']}")


@click.command("drains:remove")
@click.argument("url", metavar="URL|TOKEN")
@on_app
@json_option
def remove(here: Here, url: str, as_json: bool) -> None:
    """Remove a log drain from an app.

    \b
    Example:
        pushd drains:remove syslog+tls://logs.example.com:6514
    """
    removed = here.client.drains(here.app).remove(url)
    if as_json:
        return render.json(removed)
    render.out(f"Successfully removed drain {removed['url']}")
