"""Config vars in an editor."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from pushd.cli import dotenv_text, render
from pushd.cli.config import change_vars
from pushd.cli.options import Here, no_wait_option, on_app, place
from pushd.errors import Conflict, InvalidParams

_HEAD = """\
# Config vars of {app}: one KEY=value per line. A deleted line unsets its variable.
# A bare value is the rest of its line; quote values of several lines: KEY='...'
"""


@click.command("config:edit")
@click.argument("key", required=False)
@on_app
@no_wait_option
def edit(here: Here, key: str | None, no_wait: bool) -> None:
    """Change config vars in your editor, and restart the app.

    The editor is $VISUAL or $EDITOR. Nothing is changed if you leave the text as it is, or if somebody else changed the
    config vars meanwhile.

    With KEY its value alone is edited, as it is.

    \b
    Examples:
        EDITOR=nano pushd config:edit
        pushd config:edit PRIVATE_KEY
    """
    before = here.client.config_vars(here.app)
    after = _with_value_edited(before, key) if key else _edited(_HEAD.format(app=here.app) + dotenv_text.dump(before))
    changes: dict[str, str | None] = {key: value for key, value in after.items() if before.get(key) != value}
    changes |= dict.fromkeys(key for key in before if key not in after)
    if not changes:
        return render.hint("No changes.")
    if here.client.config_vars(here.app) != before:
        raise Conflict(
            "The config vars were changed by somebody else while you edited: nothing was changed.",
            remedy="Run `pushd config:edit` again.",
        )
    change_vars(here, changes, f"Changing {', '.join(sorted(changes))}", no_wait=no_wait)


def _with_value_edited(before: Mapping[str, str], key: str) -> dict[str, str]:
    """All config vars, one of them as the person made it; a newline that the editor put at its end is not part of it."""
    old = before.get(key, "")
    edited = click.edit(old, editor=_maybe_editor(), require_save=False)
    if edited is None or edited == old:
        return dict(before)
    if edited.endswith("\n") and not old.endswith("\n"):
        edited = edited[:-1]
    return {**before, key: edited}


def _edited(text: str) -> dict[str, str]:
    """What the person made of the text; a mistake may be mended in the editor, on a terminal."""
    while True:
        edited = click.edit(text, editor=_maybe_editor(), extension=".env", require_save=False)
        text = text if edited is None else edited
        try:
            return dotenv_text.parse(text)
        except InvalidParams as error:
            if not sys.stdin.isatty():
                raise
            render.error(error.message, error.remedy)
            click.confirm("Edit again?", default=True, abort=True, err=True)


def _maybe_editor() -> str | None:
    """The person's own; None leaves the choice to click."""
    environ = place().environ
    return environ.get("VISUAL") or environ.get("EDITOR")
