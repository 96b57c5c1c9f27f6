"""One-off dynos: a command with the app's code, config vars and environment."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, on_app


@click.command("run:detached", context_settings={"allow_interspersed_args": False})
@click.option(
    "-e", "--env", metavar="KEY=VALUE", multiple=True, help="A variable for this dyno only; may be given several times."
)
@on_app
@json_option
@click.argument("command", metavar="[--] COMMAND...", nargs=-1, required=True)
def detached(here: Here, env: tuple[str, ...], command: tuple[str, ...], as_json: bool) -> None:
    """Run a command in a new dyno in the background.

    It has the app's code, config vars and environment; its output goes to the app's log. Options stand before the command.

    \b
    Examples:
        pushd run:detached -- flask db upgrade
        pushd run:detached --app myapp -e VERBOSE=1 -- python nightly.py
    """
    wanted = {}
    for pair in env:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{key[:64]} is not KEY=VALUE.", click.get_current_context())
        wanted[key] = value
    line = shell_line(command)
    with render.doing(f"Running {render.printable(line)} on {here.app}") as step:
        dyno = here.client.run_detached(here.app, line, wanted)
        step.note = dyno["name"]
    if as_json:
        return render.json(dyno)
    render.out(f"Run pushd logs --app {here.app} --dyno {dyno['name']} to see its output.")


def shell_line(words: Sequence[str]) -> str:
    """One line for the dyno's shell. A single word is such a line already; of several, those with blanks are quoted.

    Source: the Heroku CLI does the same (CONTRACT 7.2), so `$HOME` in double quotes means the dyno's.
    """
    if len(words) == 1:
        return words[0]
    return " ".join('"' + word.replace('"', '\\"') + '"' if " " in word or '"' in word else word for word in words)
