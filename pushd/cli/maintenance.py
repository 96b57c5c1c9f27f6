"""Maintenance mode: visitors see a page that says "we will be back"; dynos keep running."""

from __future__ import annotations

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, on_app


@click.command("maintenance")
@on_app
@json_option
def show(here: Here, as_json: bool) -> None:
    """Say whether maintenance mode is on.

    \b
    Example:
        pushd maintenance --app myapp
    """
    on = here.client.app(here.app)["maintenance"]
    if as_json:
        return render.json({"maintenance": on})
    render.out("on" if on else "off")


@click.command("maintenance:on")
@on_app
@json_option
def turn_on(here: Here, as_json: bool) -> None:
    """Show visitors a maintenance page instead of the app.

    Ends when they see it, with status 503. Dynos keep running.

    \b
    Example:
        pushd maintenance:on --app myapp
    """
    _turn(here, True, as_json=as_json)


@click.command("maintenance:off")
@on_app
@json_option
def turn_off(here: Here, as_json: bool) -> None:
    """Let visitors reach the app again.

    Ends when they do.

    \b
    Example:
        pushd maintenance:off --app myapp
    """
    _turn(here, False, as_json=as_json)


def _turn(here: Here, on: bool, *, as_json: bool) -> None:
    with render.doing(f"{'Enabling' if on else 'Disabling'} maintenance mode for {here.app}"):
        changed = here.client.set_maintenance(here.app, on)
    if as_json:
        render.json({"maintenance": changed["maintenance"]})
