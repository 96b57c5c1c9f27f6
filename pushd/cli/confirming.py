"""Confirmation of what cannot be taken back: the app's name once more, by --confirm or on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from pushd.cli import render
from pushd.errors import PushdError


def confirm_option(*flags: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--confirm`, with these short flags beside it, as argument `confirm`."""
    return click.option(*flags, "--confirm", metavar="APP", help="The app's name once more, instead of the question.")


def confirm_app(name: str, given: str | None, warning: str) -> None:
    """Return once the person has written the app's name. Raises: PushdError otherwise; nothing was done then."""
    if given is None and sys.stdin.isatty():
        render.warn(warning)
        given = click.prompt(f"To go on, type {name}", err=True)
    if given is None:
        raise PushdError("This wants a confirmation.", remedy=f"Add --confirm {name}.")
    if given != name:
        raise PushdError(f"{given} is not {name}: nothing was changed.", remedy=f"Add --confirm {name}.")
