"""Finds the command of a command line, runs it, gives its exit code."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from pushd import __version__
from pushd.cli import commands, not_offered, render
from pushd.errors import PushdError
from pushd.surroundings import process_environ

OK, REFUSED, USAGE, INTERRUPTED = 0, 1, 2, 130


class Commands(click.Group):
    """Commands by name from the table; a module is imported when one of its commands is asked for."""

    topics = commands.TOPICS

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for members in self.topics.values() for name in members]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = commands.maybe_command(cmd_name)
        return load(found[1]) if found else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if commands.maybe_command(args[0]) is None:
            if refusal := not_offered.maybe_not_offered(args[0]):
                raise refusal
            raise click.UsageError(unknown_command(args[0]), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        short = {long: alias for alias, long in reversed(list(commands.ALIASES.items()))}  # the first that stands there
        for topic, members in self.topics.items():
            rows = []
            for name, where in members.items():
                alias = f" (or {short[name]})" if name in short else ""
                rows.append((name, load(where).get_short_help_str(100).removesuffix(".") + alias))
            with formatter.section(topic):
                formatter.write_dl(rows)


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`pushd help COMMAND` tells more, with an example.",
    subcommand_metavar="COMMAND [ARGS]...",
)
@click.version_option(__version__, "--version", prog_name="pushd", message="%(prog)s %(version)s")
def program() -> None:
    """Push to deploy on your own server, in Heroku's words.

    In bash, zsh and fish the word `pushd` is the shell's own: write `git pushd COMMAND`, which works everywhere, or let the
    shell know our commands once per session:

    \b
        eval "$(git pushd shell-init bash)"     # or zsh; in fish: git pushd shell-init fish | source

    The app is the one of this folder's git remote, or --app; the server is the one of that remote, PUSHD_HOST, or the
    daemon of this machine.
    """


def main() -> int:
    """Run the command line of this process; its exit code."""
    _open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an old locale must not end a listing in its middle
    return run(sys.argv[1:], environ=process_environ(), folder=Path.cwd())


def run(args: Sequence[str], *, environ: Mapping[str, str], folder: Path, program: click.Command = program) -> int:
    """Run one command and give its exit code; nothing escapes, a bug of ours neither."""
    color = False if environ.get("NO_COLOR") else None
    with click.Context(program, color=color):  # what is told of a failure has its colours by this one
        return _run(program, args, render.Place(environ, folder), color)


def _run(program: click.Command, args: Sequence[str], place: render.Place, color: bool | None) -> int:
    try:
        with program.make_context("pushd", list(args) or ["--help"], obj=place, color=color) as context:
            program.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except PushdError as error:
        render.error(error.message, error.remedy)
        return USAGE if error.id == "bad_settings" else REFUSED
    except click.UsageError as error:
        render.usage_error(error)
        return USAGE
    except click.ClickException as error:
        render.error(error.format_message())
        return REFUSED
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return OK  # `pushd logs | head` has seen enough
    except Exception as error:
        if place.environ.get("PUSHD_DEBUG"):
            raise
        render.error(
            f"Unexpected trouble in pushd itself: {type(error).__name__}.",
            "Run it again with PUSHD_DEBUG=1 to see where, and tell us.",
        )
        return REFUSED
    return OK


def load(where: str) -> click.Command:
    """The command at "module:function"."""
    module, _, function = where.partition(":")
    command = getattr(importlib.import_module(f"pushd.cli.{module}"), function)
    assert isinstance(command, click.Command)
    return command


def unknown_command(name: str) -> str:
    """What to tell somebody who typed a command that we do not have."""
    import difflib

    near = difflib.get_close_matches(name, commands.names(), n=3)
    if name.startswith(("/", ".", "~", "+")) or Path(name).is_dir():
        hint = 'For the shell\'s own pushd run `eval "$(git pushd shell-init bash)"` once, or `builtin pushd`.'
    elif near:
        hint = f"Did you mean {' or '.join(near)}?"
    else:
        hint = "`pushd help` lists the commands."
    return f"{name[:80]} is not a pushd command. {hint}"


def _open_closed_streams() -> None:
    """Whoever started us may have closed standard streams: they lead nowhere then, and nothing that we open becomes one."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number)
            if null != number:
                os.close(null)
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115 - it is open as long as we run


def _forget_stdout() -> None:
    """Let the interpreter's last flush of a closed pipe go nowhere instead of complaining."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
