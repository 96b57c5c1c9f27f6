"""Settings of one app: how pushd treats it. What the app itself reads are config vars."""

from __future__ import annotations

from collections.abc import Mapping

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, on_app, parse_pairs


@click.command("settings")
@on_app
@json_option
def show(here: Here, as_json: bool) -> None:
    """Show all settings of an app.

    They say how pushd treats the app; what the app itself reads are config vars.

    \b
    Example:
        pushd settings --app myapp
    """
    found = here.client.settings(here.app)
    if as_json:
        return render.json(found)
    render.heading(f"{here.app} Settings")
    rows = [(each["name"], each["value"], each["default"], each["help"]) for each in found]
    render.table(("SETTING", "VALUE", "DEFAULT", "MEANING"), rows)


@click.command("settings:set")
@click.argument("pairs", metavar="NAME=VALUE...", nargs=-1, required=True)
@on_app
@json_option
def set_settings(here: Here, pairs: tuple[str, ...], as_json: bool) -> None:
    """Change settings of an app.

    \b
    Example:
        pushd settings:set deploy-branch=release probe-path=/up
    """
    _change(here, parse_pairs(pairs), "Setting", as_json=as_json)


@click.command("settings:unset")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@on_app
@json_option
def unset(here: Here, names: tuple[str, ...], as_json: bool) -> None:
    """Put settings back to their defaults.

    \b
    Example:
        pushd settings:unset probe-path
    """
    _change(here, dict.fromkeys(names), "Unsetting", as_json=as_json)


def _change(here: Here, changes: Mapping[str, str | None], verb: str, *, as_json: bool) -> None:
    with render.doing(f"{verb} {', '.join(changes)} of {here.app}"):
        changed = here.client.set_settings(here.app, changes)
    shown = {each["name"]: each["value"] for each in changed if each["name"] in changes}
    if as_json:
        return render.json(shown)
    render.pairs(shown)
