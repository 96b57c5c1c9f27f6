"""Automatic certificates: whether they are on, and what the server says to switching them."""

from __future__ import annotations

import click

from pushd.cli import render
from pushd.cli.confirming import confirm_app, confirm_option
from pushd.cli.options import Here, json_option, on_app


@click.command("certs:auto")
@on_app
@json_option
def show(here: Here, as_json: bool) -> None:
    """Show whether certificates are issued automatically.

    \b
    Example:
        pushd certs:auto
    """
    app = here.client.app(here.app)
    if as_json:
        return render.json({"acm": app["acm"]})
    render.out(f"Automatic Certificate Management is {'enabled' if app['acm'] else 'disabled'} on {app['name']}")


@click.command("certs:auto:enable")
@on_app
@json_option
def enable(here: Here, as_json: bool) -> None:
    """Have certificates issued automatically.

    A server that cannot do so says what to do instead.

    \b
    Example:
        pushd certs:auto:enable
    """
    with render.doing("Enabling Automatic Certificate Management"):
        app = here.client.change_acm(here.app, "POST", {})
    if as_json:
        render.json(app)


@click.command("certs:auto:disable")
@confirm_option("-c")
@on_app
@json_option
def disable(here: Here, confirm: str | None, as_json: bool) -> None:
    """Have no more certificates issued automatically.

    \b
    Example:
        pushd certs:auto:disable --confirm myapp
    """
    confirm_app(here.app, confirm, f"This will remove the automatic certificate of {here.app}.")
    with render.doing("Disabling Automatic Certificate Management"):
        app = here.client.change_acm(here.app, "DELETE", {})
    if as_json:
        render.json(app)


@click.command("certs:auto:refresh")
@on_app
@json_option
def refresh(here: Here, as_json: bool) -> None:
    """Try again to have certificates issued.

    \b
    Example:
        pushd certs:auto:refresh
    """
    with render.doing("Refreshing Automatic Certificate Management"):
        app = here.client.change_acm(here.app, "PATCH", {"acm_refresh": True})
    if as_json:
        render.json(app)
