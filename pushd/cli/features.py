"""Features and labs: switches of an app. Heroku has two topics for them; which one shows a feature is the feature's state."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, on_app
from pushd.client.shapes import FeatureShape
from pushd.errors import PushdError


@click.command("features")
@on_app
@json_option
def list_features(here: Here, as_json: bool) -> None:
    """List the features of an app.

    `[+]` stands before one that is on. `pushd labs` lists those that are newer.

    \b
    Example:
        pushd features --app myapp
    """
    _list(here, [each for each in here.client.features(here.app) if each["state"] == "general"], as_json)


@click.command("labs")
@on_app
@json_option
def list_labs(here: Here, as_json: bool) -> None:
    """List the newer features of an app.

    \b
    Example:
        pushd labs --app myapp
    """
    _list(here, [each for each in here.client.features(here.app) if each["state"] != "general"], as_json)


@click.command("features:info")
@click.argument("feature")
@on_app
@json_option
def info(here: Here, feature: str, as_json: bool) -> None:
    """Show a feature.

    \b
    Example:
        pushd features:info runtime-dyno-metadata --app myapp
    """
    found = here.client.feature(here.app, feature)
    if as_json:
        return render.json(found)
    render.heading(found["name"])
    rows = {"Description": found["description"], "Docs": found["doc_url"], "Enabled": str(found["enabled"]).lower()}
    render.pairs(rows)


@click.command("features:enable")
@click.argument("feature")
@on_app
@json_option
def enable(here: Here, feature: str, as_json: bool) -> None:
    """Switch a feature on; dynos follow when they start the next time.

    \b
    Example:
        pushd features:enable log-runtime-metrics --app myapp
    """
    _switch(here, feature, True, as_json)


@click.command("features:disable")
@click.argument("feature")
@on_app
@json_option
def disable(here: Here, feature: str, as_json: bool) -> None:
    """Switch a feature off; dynos follow when they start the next time.

    \b
    Example:
        pushd features:disable runtime-dyno-metadata --app myapp
    """
    _switch(here, feature, False, as_json)


def _list(here: Here, rows: Sequence[FeatureShape], as_json: bool) -> None:
    rows = sorted(rows, key=lambda row: row["name"])
    if as_json:
        return render.json(rows)
    render.heading(f"App Features {here.app}")
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        render.out(f"[{'+' if row['enabled'] else ' '}] {row['name'].ljust(width)}  {row['description']}")


def _switch(here: Here, name: str, enabled: bool, as_json: bool) -> None:
    with render.doing(f"{'Enabling' if enabled else 'Disabling'} {name} for {here.app}"):
        if here.client.feature(here.app, name)["enabled"] is enabled:
            raise PushdError(f"{name} is already {'enabled' if enabled else 'disabled'}.", remedy="Nothing was changed.")
        changed = here.client.switch_feature(here.app, name, enabled)
    if as_json:
        return render.json(changed)
    render.hint(f"Dynos follow when they start the next time: pushd restart --app {here.app}")
