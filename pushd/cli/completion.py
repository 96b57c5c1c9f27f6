"""What the shells' completion asks for while a command line is being typed."""

from __future__ import annotations

import os
import signal
from types import FrameType

import click

from pushd.cli import render
from pushd.cli.options import discover

_PATIENCE_SECONDS = 1.5  # longer nobody waits for a Tab


@click.command("complete:apps", hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def apps(words: tuple[str, ...]) -> None:
    """Print the apps that may be meant, one per line; nothing at all if that is not known at once.

    WORDS are those of the line so far: its --host and --remote hold.

    \b
    Example:
        pushd complete:apps -- config --remote myserver
    """
    _end_silently_after(_PATIENCE_SECONDS)
    try:
        where = discover(remote=_maybe_value(words, "-r", "--remote"), host=_maybe_value(words, "--host"))
        names = sorted(app["name"] for app in where.client.apps())
    except Exception:  # whatever is wrong, the person is in the middle of a line: the command itself will tell
        return
    for name in names:
        render.out(name)


def _maybe_value(words: tuple[str, ...], *flags: str) -> str | None:
    """The value that one of these options has among the words."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in flags and following:
            return following
        if word.startswith("--") and word.partition("=")[0] in flags and "=" in word:
            return word.partition("=")[2]
    return None


def _end_silently_after(seconds: float) -> None:
    """By the clock, for what may hang is not ours alone: a name server, git, a file system elsewhere."""

    def end(number: int, frame: FrameType | None) -> None:
        os._exit(0)

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
