"""Dynos: what runs, how many, start again, stop, wait."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, no_wait_option, on_app
from pushd.cli.waiting import follow
from pushd.client.shapes import DynoShape, FormationShape, ReleaseShape
from pushd.errors import PushdError

_SCALE = re.compile(r"([A-Za-z0-9_-]+?)(?:=(\d+)|([+-]\d+))(?::[A-Za-z0-9-]+)?")
_POLL_SECONDS = 0.5


@click.command("ps")
@click.argument("types", metavar="[TYPE]...", nargs=-1)
@on_app
@json_option
def show(here: Here, types: tuple[str, ...], as_json: bool) -> None:
    """Show the dynos of an app.

    \b
    Examples:
        pushd ps
        pushd ps worker --app myapp
    """
    dynos = [dyno for dyno in here.client.dynos(here.app) if not types or dyno["type"] in types]
    if as_json:
        return render.json(dynos)
    if not dynos:
        return render.hint(f"No dynos run on {here.app}. `pushd ps:scale` shows how many are wanted.")
    for kind in sorted({dyno["type"] for dyno in dynos}, key=lambda kind: (kind != "web", kind)):
        group = sorted((dyno for dyno in dynos if dyno["type"] == kind), key=_number)
        command = f": {group[0]['command']}" if kind != "run" else " (one-off)"
        render.heading(f"{kind}{command} ({len(group)})")
        for dyno in group:
            own = f": {dyno['command']}" if kind == "run" else ""
            render.out(f"{dyno['name']}: {dyno['state']} {render.when(dyno['updated_at'])}{render.printable(own)}")
        render.out("")


@click.command("ps:scale")
@click.argument("quantities", metavar="[TYPE=N|TYPE+N|TYPE-N]...", nargs=-1)
@on_app
@no_wait_option
@json_option
def scale(here: Here, quantities: tuple[str, ...], no_wait: bool, as_json: bool) -> None:
    """Set how many dynos of each process type run.

    Without arguments, shows it. Ends when the new dynos answer.

    \b
    Examples:
        pushd ps:scale web=2 worker+1
        pushd ps:scale
    """
    if not quantities:
        return _show_formation(here, here.client.formation(here.app), as_json)
    wanted = dict(_parse_quantity(text) for text in quantities)
    with render.doing("Scaling dynos") as step:
        changed = here.client.scale(here.app, wanted)
        now = {row["type"]: row for row in changed.value}
        step.note = "now running " + ", ".join(f"{kind} at {now[kind]['quantity']}" for kind in wanted if kind in now)
        follow(here.client, changed, no_wait=no_wait)
    if as_json:
        render.json(changed.value)


@click.command("ps:restart")
@click.argument("which", metavar="[DYNO|TYPE]", required=False)
@on_app
@no_wait_option
def restart(here: Here, which: str | None, no_wait: bool) -> None:
    """Restart dynos.

    All of them, one (web.1) or those of a process type (web). New web dynos answer before the old ones leave: no request
    fails.

    \b
    Examples:
        pushd restart
        pushd ps:restart worker --app myapp
    """
    with render.doing(f"Restarting {f'{which} of' if which else 'all dynos of'} {here.app}"):
        follow(here.client, here.client.restart(here.app, which), no_wait=no_wait)


@click.command("ps:stop")
@click.argument("which", metavar="DYNO|TYPE")
@on_app
@no_wait_option
def stop(here: Here, which: str, no_wait: bool) -> None:
    """Stop a one-off dyno.

    One that is scaled (web.1) starts again. To have none: pushd ps:scale web=0

    \b
    Example:
        pushd ps:stop run.7
    """
    with render.doing(f"Stopping {which} of {here.app}"):
        follow(here.client, here.client.stop(here.app, which), no_wait=no_wait)


@click.command("ps:wait")
@click.option("-t", "--type", "kind", metavar="TYPE", help="Wait for dynos of this process type only.")
@click.option("--timeout", "timeout_seconds", metavar="SECONDS", type=float, help="Give up after so long, with exit code 1.")
@on_app
def wait(here: Here, kind: str | None, timeout_seconds: float | None) -> None:
    """Wait until all dynos run the newest release.

    \b
    Example:
        pushd ps:wait --type web --timeout 120
    """
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    with render.doing(f"Waiting for dynos of {here.app}") as step:
        while missing := _missing(here, kind):
            if deadline is not None and time.monotonic() >= deadline:
                raise PushdError(f"Not up yet: {', '.join(missing)}.", remedy="`pushd logs` shows what they say.")
            time.sleep(_POLL_SECONDS)
        step.note = "all up"


def _missing(here: Here, kind: str | None) -> list[str]:
    """`web (1 of 2)` for each process type that has not all its dynos up with the newest release."""
    version = _newest_version(here.client.releases(here.app, limit=10))
    dynos = here.client.dynos(here.app)
    missing = []
    for row in here.client.formation(here.app):
        if kind not in (None, row["type"]):
            continue
        up = sum(_is_up(dyno, row["type"], version) for dyno in dynos)
        if up < row["quantity"]:
            missing.append(f"{row['type']} ({up} of {row['quantity']})")
    return missing


def _newest_version(releases: Sequence[ReleaseShape]) -> int:
    """The newest release that runs or is about to; a failed one changes no dyno."""
    return max((each["version"] for each in releases if each["status"] in ("pending", "succeeded")), default=0)


def _is_up(dyno: DynoShape, kind: str, version: int) -> bool:
    return dyno["type"] == kind and dyno["state"] == "up" and dyno["release"]["version"] >= version


def _parse_quantity(text: str) -> tuple[str, str]:
    """`web=2` -> ("web", "2"), `worker+1` -> ("worker", "+1"); a size behind it (`web=2:standard-1x`) means nothing here."""
    found = _SCALE.fullmatch(text)
    if not found:
        raise click.UsageError(f"{text[:80]} is not TYPE=N, TYPE+N or TYPE-N.", click.get_current_context())
    kind, absolute, step = found.groups()
    return kind, absolute or step


def _show_formation(here: Here, formation: Sequence[FormationShape], as_json: bool) -> None:
    if as_json:
        return render.json(formation)
    if not formation:
        return render.hint(f"{here.app} has no process types yet. Push first: its Procfile names them.")
    render.out(" ".join(f"{row['type']}={row['quantity']}:{row['size']}" for row in formation))


def _number(dyno: DynoShape) -> int:
    return int(dyno["name"].rpartition(".")[2] or 0)
