"""Dynos: what runs; start again, stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, no_wait_option, on_app
from pushd.cli.waiting import follow
from pushd.client.shapes import DynoShape
from pushd.errors import NotFound

_COMMAND_SHOWN = 35  # characters of a command in the wide table


@click.command("ps")
@click.argument("types", metavar="[TYPE]...", nargs=-1)
@click.option("-x", "--extended", is_flag=True, help="Show more of each dyno, as a table.")
@click.option("--no-wrap", is_flag=True, help="Never fold the table's cells.")
@on_app
@json_option
def show(here: Here, types: tuple[str, ...], extended: bool, no_wrap: bool, as_json: bool) -> None:
    """Show the dynos of an app.

    \b
    Examples:
        pushd ps
        pushd ps worker --app myapp
    """
    dynos = sorted(here.client.dynos(here.app), key=_place)
    if unknown := [kind for kind in types if kind not in {dyno["type"] for dyno in dynos}]:
        raise NotFound(f"No {unknown[0]} dynos on {here.app}.", resource="dyno", remedy="`pushd ps:scale` shows its types.")
    dynos = [dyno for dyno in dynos if not types or dyno["type"] in types]
    if as_json:
        render.json(dynos)
    elif not dynos:
        render.hint(f"No dynos run on {here.app}. `pushd ps:scale` shows how many are wanted.")
    elif extended:
        _print_extended(dynos, no_wrap=no_wrap)
    else:
        _print_by_type(dynos)


def _which_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`-d` and `-p` as Heroku has them, and the same as one argument."""
    function = click.option("-p", "--process-type", "kind", metavar="TYPE", help="Those of this process type.")(function)
    function = click.option("-d", "--dyno-name", "dyno", metavar="DYNO", help="Only this one.")(function)
    return click.argument("which", metavar="[DYNO|TYPE]", required=False)(function)


@click.command("ps:restart")
@_which_options
@on_app
@no_wait_option
def restart(here: Here, which: str | None, dyno: str | None, kind: str | None, no_wait: bool) -> None:
    """Restart dynos.

    All of them, one (web.1) or those of a process type (web). New web dynos answer before the old ones leave: no request
    fails.

    \b
    Examples:
        pushd restart
        pushd ps:restart --process-type worker --app myapp
    """
    dyno, kind = _dyno_or_type(which, dyno, kind)
    with render.doing(f"Restarting {_told(dyno, kind)} on {here.app}"):
        follow(here.client, here.client.restart(here.app, dyno=dyno, kind=kind), no_wait=no_wait)


@click.command("ps:stop")
@_which_options
@on_app
@no_wait_option
def stop(here: Here, which: str | None, dyno: str | None, kind: str | None, no_wait: bool) -> None:
    """Stop a one-off dyno.

    One that is scaled (web.1) starts again. To have none: pushd ps:scale web=0

    \b
    Examples:
        pushd ps:stop run.7
        pushd ps:stop --process-type run
    """
    dyno, kind = _dyno_or_type(which, dyno, kind)
    if dyno is None and kind is None:
        raise click.UsageError("Say which: a dyno (run.7) or a process type.", click.get_current_context())
    with render.doing(f"Stopping {_told(dyno, kind)} on {here.app}"):
        follow(here.client, here.client.stop(here.app, dyno=dyno, kind=kind), no_wait=no_wait)


def _dyno_or_type(which: str | None, dyno: str | None, kind: str | None) -> tuple[str | None, str | None]:
    """The dyno or the process type that is meant, by option or by argument; both None for all."""
    if len([each for each in (which, dyno, kind) if each is not None]) > 1:
        raise click.UsageError("Say it once: an argument, --dyno-name or --process-type.", click.get_current_context())
    if which is None:
        return dyno, kind
    return (which, None) if _is_dyno(which) else (None, which)


def _told(dyno: str | None, kind: str | None) -> str:
    return f"dyno {dyno}" if dyno else f"all {kind} dynos" if kind else "all dynos"


def _is_dyno(which: str) -> bool:
    kind, dot, number = which.rpartition(".")
    return bool(kind and dot and number.isdigit())


def _place(dyno: DynoShape) -> tuple[bool, str, int]:
    """One-off dynos first, then by type and number, as on Heroku."""
    return dyno["type"] != "run", dyno["type"], int(dyno["name"].rpartition(".")[2] or 0)


def _print_by_type(dynos: Sequence[DynoShape]) -> None:
    for kind in dict.fromkeys(dyno["type"] for dyno in dynos):
        group = [dyno for dyno in dynos if dyno["type"] == kind]
        first = group[0]
        one_off = kind == "run"
        what = "run: one-off processes" if one_off else f"{kind} ({first['size']}): {first['command']}"
        render.heading(f"{what} ({len(group)})")
        for dyno in group:
            name = f"{dyno['name']} ({dyno['size']})" if one_off else dyno["name"]
            own = f": {dyno['command']}" if one_off else ""
            render.out(render.printable(f"{name}: {dyno['state']} {render.when(dyno['updated_at'])}{own}"))
        render.out("")


def _print_extended(dynos: Sequence[DynoShape], *, no_wrap: bool) -> None:
    rows = [
        (
            dyno["id"], dyno["name"], f"{dyno['state']} {render.when(dyno['updated_at'])}", dyno["release"]["version"],
            _shortened(dyno["command"]), dyno["size"],
        )
        for dyno in dynos
    ]  # fmt: skip
    render.table(["ID", "Process", "State", "Release", "Command", "Size"], rows, fold=not no_wrap)


def _shortened(command: str) -> str:
    return command if len(command) <= _COMMAND_SHOWN else command[: _COMMAND_SHOWN - 1] + "…"
