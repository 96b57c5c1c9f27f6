"""Logs: the last lines of an app, and every new one."""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Iterable

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, on_app
from pushd.kit.steering import text_without_steering

_LINE = re.compile(r"(?P<at>\S+) (?P<source>[a-z]+)\[(?P<process>[^\]]+)\]: ?(?P<message>.*)", re.DOTALL)
_COLOURS = ("cyan", "yellow", "green", "magenta", "bright_blue", "bright_cyan", "bright_green")


@click.command("logs")
@click.option("-n", "--num", metavar="N", type=click.IntRange(1, 1500), default=100, show_default=True, help="How many lines.")
@click.option("-t", "--tail", is_flag=True, help="Go on with every new line, until Ctrl-C.")
@click.option("-p", "--process-type", "--ps", "kind", metavar="TYPE", help="Only this process type (web), router or api.")
@click.option("-d", "--dyno-name", "--dyno", "dyno", metavar="DYNO", help="Only this dyno (web.1).")
@click.option("-s", "--source", metavar="SOURCE", help="Only app or heroku (the platform).")
@click.option("--force-colors/--no-color", "colours", default=None, help="Colours in a pipe too, or nowhere.")
@on_app
@json_option
def logs(
    here: Here,
    num: int,
    tail: bool,
    kind: str | None,
    dyno: str | None,
    source: str | None,
    colours: bool | None,
    as_json: bool,
) -> None:
    """Show the log of an app.

    The last lines and, with --tail, every new one.

    \b
    Examples:
        pushd logs --tail
        pushd logs -n 500 --process-type web --source app
    """
    if kind and dyno:
        raise click.UsageError("--process-type and --dyno-name exclude each other.", click.get_current_context())
    lines = here.client.log_lines(here.app, lines=num, tail=tail, source=source, dyno=dyno or kind)
    show_lines(lines, colours=colours, as_json=as_json)


def show_lines(lines: Iterable[str], *, colours: bool | None = None, as_json: bool = False) -> None:
    """Print log lines as they come; `colours` None means on a terminal, which no app steers by what it writes."""
    for line in lines:
        if as_json:
            _print_json(line)
        else:
            shown = text_without_steering(line) if sys.stdout.isatty() else line
            render.out(_coloured(shown, colours))


def _coloured(line: str, colours: bool | None) -> str:
    """The line with its time and process in a colour of the process type's own."""
    found = _LINE.fullmatch(line)
    if not found:
        return line
    kind = found["process"].partition(".")[0]
    colour = _COLOURS[zlib.crc32(kind.encode()) % len(_COLOURS)]
    head = f"{found['at']} {found['source']}[{found['process']}]:"
    painted = (
        render.paint(head, sys.stdout, fg=colour) if colours is None else click.style(head, fg=colour) if colours else head
    )
    return f"{painted} {found['message']}"


def _print_json(line: str) -> None:
    """One JSON object per line, so that a tail can be read by a program too."""
    import json

    found = _LINE.fullmatch(line)
    render.out(json.dumps(found.groupdict() if found else {"message": line}, ensure_ascii=False))
