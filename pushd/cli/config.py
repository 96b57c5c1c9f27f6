"""Config vars: the user's settings of an app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, no_wait_option, on_app
from pushd.cli.waiting import check, release_name
from pushd.errors import InvalidParams


@click.command("config")
@click.option("-s", "--shell", is_flag=True, help="Print KEY=value lines that a shell can read.")
@on_app
@json_option
def show(here: Here, shell: bool, as_json: bool) -> None:
    """Show all config vars of an app.

    \b
    Examples:
        pushd config
        pushd config --shell >> .env
    """
    found = here.client.config_vars(here.app)
    if as_json:
        return render.json(found)
    if shell:
        return _print_shell(found)
    if not found:
        return render.hint(f"{here.app} has no config vars.")
    render.heading(f"{here.app} Config Vars")
    render.pairs(dict(sorted(found.items())), raw=True)


@click.command("config:get")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@click.option("-s", "--shell", is_flag=True, help="Print KEY=value lines that a shell can read.")
@on_app
@json_option
def get(here: Here, keys: tuple[str, ...], shell: bool, as_json: bool) -> None:
    """Print the value of a config var.

    Nothing else is printed; an unknown one gives an empty line.

    \b
    Example:
        pushd config:get DATABASE_URL
    """
    found = here.client.config_vars(here.app)
    if as_json:
        return render.json({key: found.get(key) for key in keys})
    if shell:
        return _print_shell({key: found.get(key, "") for key in keys})
    for key in keys:
        render.out(render.as_it_is(found.get(key, "")))


@click.command("config:set")
@click.argument("pairs", metavar="KEY=VALUE...", nargs=-1, required=True)
@on_app
@no_wait_option
@json_option
def set_vars(here: Here, pairs: tuple[str, ...], no_wait: bool, as_json: bool) -> None:
    """Set config vars, and restart the app with them.

    Ends when the new dynos answer. If they do not come up, the old ones serve on and the exit code is 1; the new values
    are kept all the same.

    \b
    Examples:
        pushd config:set GREETING=hello "MOTTO=less is more"
        pushd config:set GREETING=hello --app myapp --no-wait
    """
    wanted = _parse_pairs(pairs)
    after = change_vars(here, wanted, f"Setting {_listed(list(wanted))}", no_wait=no_wait)
    shown = {key: after[key] for key in wanted if key in after}
    if as_json:
        return render.json(shown)
    render.pairs(shown, raw=True)


@click.command("config:unset")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@on_app
@no_wait_option
@json_option
def unset(here: Here, keys: tuple[str, ...], no_wait: bool, as_json: bool) -> None:
    """Unset config vars, and restart the app without them.

    \b
    Example:
        pushd config:unset GREETING
    """
    after = change_vars(here, dict.fromkeys(keys, None), f"Unsetting {_listed(keys)}", no_wait=no_wait)
    if as_json:
        render.json({key: after.get(key) for key in keys})


def change_vars(here: Here, changes: Mapping[str, str | None], doing: str, *, no_wait: bool) -> dict[str, str]:
    """Store the changes, wait for the dynos, and give all config vars after it."""
    with render.doing(f"{doing} and restarting {here.app}") as step:
        changed = here.client.change_config_vars(here.app, changes)
        change = None
        if changed.change_id is not None:
            change = here.client.change(changed.change_id) if no_wait else here.client.settled(changed.change_id)
        step.note = release_name(here.client, here.app, change)
        if change and not no_wait:
            check(change)
    return changed.value


def _parse_pairs(pairs: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE` texts; the value is everything behind the first "=", as it is."""
    wanted: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{_shown(key)} is not KEY=VALUE.", click.get_current_context())
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidParams(f"The value of {key} is not UTF-8.", remedy="Encode it, for example as base64.") from None
        wanted[key] = value
    return wanted


def _print_shell(values: Mapping[str, str]) -> None:
    import shlex

    for key, value in sorted(values.items()):
        render.out(render.as_it_is(f"{key}={shlex.quote(value)}"))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(render.printable(name) for name in names)


def _shown(key: str) -> str:
    return render.printable(key[:64]) or "That"
