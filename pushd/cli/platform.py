"""What the server offers to every app: regions, stacks, add-ons."""

from __future__ import annotations

import click

from pushd.cli import render
from pushd.cli.options import Here, app_options, discover, json_option, on_app, on_server
from pushd.client.client import Client


@click.command("regions")
@click.option("--common", is_flag=True, help="Only those for everybody.")
@click.option("--private", is_flag=True, help="Only those for private spaces: none here.")
@on_server
@json_option
def regions(client: Client, common: bool, private: bool, as_json: bool) -> None:
    """List the regions: one, this server.

    \b
    Example:
        pushd regions
    """
    rows = [row for row in client.regions() if row["private_capable"] == private or not (common or private)]
    if as_json:
        return render.json(rows)
    shown = [
        (row["name"], row["description"], "Private Spaces" if row["private_capable"] else "Common Runtime") for row in rows
    ]
    render.table(["ID", "Location", "Runtime"], shown)


@click.command("apps:stacks")
@on_app
@json_option
def stacks(here: Here, as_json: bool) -> None:
    """List the stacks, the app's own marked.

    There is one: this server's system, under the name that buildpacks know.

    \b
    Example:
        pushd apps:stacks --app myapp
    """
    app, rows = here.client.app(here.app), here.client.stacks()
    if as_json:
        return render.json(rows)
    render.heading(f"{app['name']} Available Stacks")
    for row in sorted(rows, key=lambda row: row["name"]):
        render.out(f"{'*' if row['name'] == app['stack']['name'] else ' '} {row['name']}")


@click.command("apps:stacks:set")
@click.argument("stack")
@on_app
@json_option
def set_stack(here: Here, stack: str, as_json: bool) -> None:
    """Set the stack of an app.

    \b
    Example:
        pushd apps:stacks:set heroku-24 --app myapp
    """
    with render.doing(f"Setting stack to {stack}"):
        app = here.client.set_stack(here.app, stack)
    if as_json:
        return render.json(app)
    if app["stack"]["name"] != app["build_stack"]["name"]:
        render.hint(f"It holds from the next push to {app['name']} on.")


@click.command("addons")
@click.option("-A", "--all", "everywhere", is_flag=True, help="Those of all apps.")
@app_options
@json_option
def addons(everywhere: bool, app: str | None, remote: str | None, host: str | None, as_json: bool) -> None:
    """List the add-ons of an app.

    This server provides none yet: run a database yourself and set DATABASE_URL.

    \b
    Example:
        pushd addons --app myapp
    """
    where = discover(app=app, remote=remote, host=host)
    wanted = None if everywhere else where.app
    rows = where.client.addons(wanted)
    if as_json:
        return render.json(rows)
    if not rows:
        return render.out(f"No add-ons for app {wanted}." if wanted else "No add-ons.")
    render.table(["Add-on", "Plan", "State"], [(row["name"], row["plan"]["name"], row["state"]) for row in rows])
