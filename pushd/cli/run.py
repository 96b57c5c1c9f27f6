"""One-off dynos: a command with the app's code, config vars and environment."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, on_app, place
from pushd.client.shapes import DynoShape, Wanted

_VARIABLE = re.compile(r"\s*([\w.-]+)\s*=(.*)", re.DOTALL)
_NEXT_VARIABLE = re.compile(r";(?=\s*[\w.-]+\s*=)")  # so that a value may hold a semicolon
_APP = re.compile(r"[a-z0-9][a-z0-9-]*")
_COMMAND_FIRST = {"allow_interspersed_args": False}


class WithCommand(click.Command):
    """A command line that ends in another one: our options end where that begins.

    Heroku's users write `run bash -a myapp` too: an app that is named at the very end is taken for ours, unless one has been
    named before or `--` stands before the command.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        separated = "--" in args
        rest = super().parse_args(ctx, args)
        if ctx.params["command"][:1] == ("--",):  # it stood behind an argument
            ctx.params["command"] = ctx.params["command"][1:]
        if not separated and ctx.params["app"] is None:
            ctx.params["command"], ctx.params["app"] = _app_at_the_end(ctx.params["command"])
        return rest


def _parse_env(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """`("A=1;B=2", "C=3")` -> {"A": "1", "B": "2", "C": "3"}; a semicolon parts them only before another NAME=."""
    env: dict[str, str] = {}
    for pair in (pair for value in values for pair in _NEXT_VARIABLE.split(value) if pair.strip()):
        found = _VARIABLE.fullmatch(pair)
        if not found:
            raise click.UsageError(f"{pair.partition('=')[0][:64]} is not KEY=VALUE.", context)
        env[found[1]] = found[2]
    return env


def _env_option(function: Callable[..., Any]) -> Callable[..., Any]:
    help_ = 'Variables for this dyno only, as "A=1;B=2" or one by one.'
    return click.option("-e", "--env", metavar="KEY=VALUE", multiple=True, callback=_parse_env, help=help_)(function)


def _size_options(function: Callable[..., Any]) -> Callable[..., Any]:
    function = click.option("--type", "kind", metavar="TYPE", help="Count it as a dyno of this process type.")(function)
    return click.option("-s", "--size", metavar="SIZE", help="Its dyno size, such as standard-2x.")(function)


def _attached_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What Heroku's users may write out of habit: it is so already, or means nothing here."""
    for flags, help_ in (
        (("-x", "--exit-code"), "End with the command's exit code; it always does."),
        (("--no-notify",), "Show no notification; there is none."),
    ):
        function = click.option(*flags, is_flag=True, expose_value=False, help=help_)(function)
    return function


def _no_launcher_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--no-launcher", is_flag=True, expose_value=False, hidden=True)(function)


@click.command("run", cls=WithCommand, context_settings=_COMMAND_FIRST)
@_env_option
@_size_options
@click.option("--no-tty", is_flag=True, help="Give the command pipes, although this is a terminal.")
@_attached_options
@_no_launcher_option
@on_app
@click.argument("command", metavar="[--] COMMAND...", nargs=-1, required=True)
def run(here: Here, env: dict[str, str], size: str | None, kind: str | None, no_tty: bool, command: tuple[str, ...]) -> None:
    """Run a command in a new dyno, with your terminal.

    It has the app's code, config vars and environment. On a terminal it has a terminal too, and follows the window's size;
    otherwise what you pipe in and what it prints pass unchanged, errors apart. Ends with the command's own exit code.

    \b
    Examples:
        pushd run bash
        pushd run --app myapp -- flask db upgrade
        pushd run -e VERBOSE=1 python import.py < data.csv
    """
    line = shell_line(command)
    _attach(here, line, no_tty, lambda wanted: here.client.run_dyno(here.app, wanted), _wanted(line, env, size, kind))


@click.command("run:inside", cls=WithCommand, context_settings=_COMMAND_FIRST)
@click.option("--no-tty", is_flag=True, help="Give the command pipes, although this is a terminal.")
@_attached_options
@_no_launcher_option
@on_app
@click.argument("dyno")
@click.argument("command", metavar="[--] COMMAND...", nargs=-1, required=True)
def inside(here: Here, no_tty: bool, dyno: str, command: tuple[str, ...]) -> None:
    """Run a command inside a dyno that runs.

    It sees that dyno's files and processes, and ends when the dyno does. Otherwise as `pushd run`.

    \b
    Examples:
        pushd run:inside web.1 bash
        pushd run:inside web.1 --app myapp -- ps aux
    """
    line = shell_line(command)
    _attach(here, line, no_tty, lambda wanted: here.client.run_inside(here.app, dyno, wanted), _wanted(line, {}, None, None))


@click.command("run:detached", cls=WithCommand, context_settings=_COMMAND_FIRST)
@_env_option
@_size_options
@click.option("-t", "--tail", is_flag=True, help="Show its log, until Ctrl-C.")
@_no_launcher_option
@on_app
@json_option
@click.argument("command", metavar="[--] COMMAND...", nargs=-1, required=True)
def detached(
    here: Here,
    env: dict[str, str],
    size: str | None,
    kind: str | None,
    tail: bool,
    command: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run a command in a new dyno in the background.

    It has the app's code, config vars and environment; its output goes to the app's log. Options stand before the command.

    \b
    Examples:
        pushd run:detached -- flask db upgrade
        pushd run:detached --app myapp -e VERBOSE=1 -- python nightly.py
    """
    line = shell_line(command)
    with _running(here, line) as step:
        dyno = here.client.run_dyno(here.app, {"attach": False, **_wanted(line, env, size, kind)})
        step.note = dyno["name"]
    if as_json:
        render.json(dyno)
    elif not tail:
        render.out(f"Run pushd logs --app {here.app} --dyno {dyno['name']} to see its output.")
    if tail:
        from pushd.cli.logs import show_lines

        show_lines(here.client.log_lines(here.app, lines=100, tail=True, dyno=dyno["name"]), as_json=as_json)


def shell_line(words: Sequence[str]) -> str:
    """One line for the dyno's shell. A single word is such a line already; of several, those with blanks are quoted.

    Source: the Heroku CLI does the same, so `$HOME` in double quotes means the dyno's.
    """
    if len(words) == 1:
        return words[0]
    return " ".join('"' + word.replace('"', '\\"') + '"' if " " in word or '"' in word else word for word in words)


def _attach(here: Here, line: str, no_tty: bool, start: Callable[[Wanted], DynoShape], wanted: Wanted) -> None:
    """Start the command and stay with it. Raises: Exit with its exit code, and what the client raises."""
    from pushd.client.terminal import maybe_terminal

    terminal = None if no_tty else maybe_terminal(sys.stdin, sys.stdout)
    if terminal:
        size = terminal.size
        shown = {"TERM": place().environ.get("TERM", "dumb"), "COLUMNS": str(size.columns), "LINES": str(size.lines)}
        wanted["env"] = shown | wanted.get("env", {})
    else:
        wanted["force_no_tty"] = True
    with ExitStack() as announced:
        step = announced.enter_context(_running(here, line))
        dyno = start({"attach": True, **wanted})
        step.end, step.note = "up", dyno["name"]
        from pushd.client.run import Attachment
        from pushd.client.run import run as stay  # takes a while to import: the dyno starts meanwhile

        secret = (dyno["attach_url"] or "").rpartition("/")[2]
        attachment = Attachment(here.client.server, secret, dyno["name"], here.client.ca_file)
        code = stay(attachment, terminal, on_up=announced.close)
    raise click.exceptions.Exit(code)


def _wanted(line: str, env: Mapping[str, str], size: str | None, kind: str | None) -> Wanted:
    wanted: Wanted = {"command": line, "env": dict(env)}
    if size:
        wanted["size"] = size
    if kind:
        wanted["type"] = kind
    return wanted


def _running(here: Here, line: str) -> AbstractContextManager[render.Step]:
    return render.doing(f"Running {render.printable(line)} on ⬢ {here.app}")


def _app_at_the_end(words: tuple[str, ...]) -> tuple[tuple[str, ...], str | None]:
    """The command and the app that `-a APP`, `--app APP` or `--app=APP` behind it names, if it does."""
    *command, last = words
    if last.startswith("--app=") and command:
        return tuple(command), last.removeprefix("--app=")
    if len(command) > 1 and command[-1] in ("-a", "--app") and _APP.fullmatch(last):
        return tuple(command[:-1]), last
    return words, None
