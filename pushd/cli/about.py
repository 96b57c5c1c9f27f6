"""What the program says of itself."""

from __future__ import annotations

import platform

import click

from pushd import __version__
from pushd.cli import render
from pushd.cli.options import json_option


@click.command("version")
@json_option
def version(as_json: bool) -> None:
    """Show the version.

    \b
    Example:
        pushd version
    """
    if as_json:
        return render.json({"version": __version__, "python": platform.python_version()})
    render.out(f"pushd {__version__}")


@click.command("help")
@click.argument("command", required=False)
def help_(command: str | None) -> None:
    """Show help, of all commands or of one.

    \b
    Example:
        pushd help config:set
    """
    from pushd.cli.main import unknown_command

    parent = click.get_current_context().parent
    assert parent is not None
    program = parent.command
    assert isinstance(program, click.Group)
    if command is None:
        return render.out(program.get_help(parent))
    found = program.get_command(parent, command)
    if found is None:
        raise click.UsageError(unknown_command(command))
    with click.Context(found, info_name=command, parent=parent) as shown:
        render.out(found.get_help(shown))
