"""Who has access to an app."""

from __future__ import annotations

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, on_app


@click.command("access")
@on_app
@json_option
def list_access(here: Here, as_json: bool) -> None:
    """List who has access to an app.

    \b
    Example:
        pushd access
    """
    found = here.client.collaborators(here.app).all()
    if as_json:
        return render.json(found)
    render.table(("email", "role"), [(each["user"]["email"], each["role"]) for each in found])


@click.command("access:add")
@click.argument("email")
@on_app
@json_option
def add(here: Here, email: str, as_json: bool) -> None:
    """Share an app with somebody.

    They may push, and change everything but the app's name and who has access; destroying it stays the owner's.

    \b
    Example:
        pushd access:add ada@example.com
    """
    with render.doing(f"Adding {email} access to the app {here.app}"):
        made = here.client.collaborators(here.app).create({"user": email})
    if as_json:
        render.json(made)


@click.command("access:remove")
@click.argument("email")
@on_app
@json_option
def remove(here: Here, email: str, as_json: bool) -> None:
    """Take access to an app back.

    \b
    Example:
        pushd access:remove ada@example.com
    """
    with render.doing(f"Removing {email} access from the app {here.app}"):
        removed = here.client.collaborators(here.app).remove(email)
    if as_json:
        render.json(removed)
