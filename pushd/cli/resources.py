"""What dynos of each process type, and builds, may take of the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, no_wait_option, on_app, parse_pairs
from pushd.cli.waiting import follow
from pushd.client.shapes import ResourcesShape

_HELD_BY = {"cpu": "processor limit", "processes": "process limit"}  # what not every machine can hold


@click.command("resources")
@on_app
@json_option
def show(here: Here, as_json: bool) -> None:
    """Show what dynos of each process type, and builds, may take.

    What was set for this app has a star; the rest comes with the dyno size: pushd ps:type

    \b
    Example:
        pushd resources --app myapp
    """
    _print(here.app, here.client.resources(here.app), as_json)


@click.command("resources:set")
@click.argument("kind", metavar="TYPE")
@click.argument("pairs", metavar="NAME=VALUE...", nargs=-1, required=True)
@on_app
@no_wait_option
@json_option
def set_resources(here: Here, kind: str, pairs: tuple[str, ...], no_wait: bool, as_json: bool) -> None:
    """Bound what dynos of a process type, one-off dynos (run) or builds (build) may take.

    Names: memory (512M, 1.5G), cpu (processors: 0.5), processes, open-files; for builds time (15m) and slug (500M) too.
    The dynos of the app are replaced by new ones; web dynos answer before old ones leave.

    \b
    Examples:
        pushd resources:set web memory=1G cpu=1
        pushd resources:set build memory=2G time=15m
    """
    wanted = parse_pairs(pairs)
    _change(here, kind, wanted, "Setting", no_wait=no_wait, as_json=as_json)
    if _HELD_BY.keys() & wanted:
        off = {each["name"]: each["why"] for each in here.client.protections(here.app) if not each["on"]}
        for name in wanted:
            if (why := off.get(_HELD_BY.get(name, ""))) is not None:
                render.warn(f"{name} is kept, and nothing holds it on this server: {why}")


@click.command("resources:unset")
@click.argument("kind", metavar="TYPE")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@on_app
@no_wait_option
@json_option
def unset(here: Here, kind: str, names: tuple[str, ...], no_wait: bool, as_json: bool) -> None:
    """Put limits of a process type back to what its dyno size has.

    \b
    Example:
        pushd resources:unset web cpu
    """
    _change(here, kind, dict.fromkeys(names), "Unsetting", no_wait=no_wait, as_json=as_json)


def _change(here: Here, kind: str, changes: Mapping[str, str | None], verb: str, *, no_wait: bool, as_json: bool) -> None:
    with render.doing(f"{verb} {', '.join(changes)} of {kind} of {here.app}"):
        changed = here.client.set_resources(here.app, kind, changes)
        follow(here.client, changed, no_wait=no_wait)
    _print(here.app, changed.value, as_json)


def _print(app: str, found: Sequence[ResourcesShape], as_json: bool) -> None:
    if as_json:
        return render.json(found)
    render.heading(f"{app} Resources")
    render.table(("TYPE", "SIZE", "MEMORY", "CPU", "PROCESSES", "OPEN FILES", "TIME", "SLUG"), [_row(each) for each in found])


def _row(of: ResourcesShape) -> list[str]:
    def shown(name: str, text: str | None, otherwise: str = "") -> str:
        return (text or otherwise) + ("*" if name in of["set"] else "")

    of_build = of["slug_mb"] is not None
    return [
        of["type"],
        of["size"] or "",
        shown("memory", f"{of['memory_mb']}M"),
        shown("cpu", f"{of['cpu']:g}" if of["cpu"] else None, "any"),
        shown("processes", str(of["processes"])),
        shown("open-files", str(of["open_files"])),
        shown("time", f"{of['time_seconds']:g}s" if of["time_seconds"] else None, "the server's") if of_build else "",
        shown("slug", f"{of['slug_mb']}M") if of_build else "",
    ]
