"""Who did what on the server, or with one app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from pushd.cli import render
from pushd.cli.options import discover, json_option, one_app_or_all
from pushd.client.shapes import DeedShape
from pushd.errors import Forbidden


@click.command("audit")
@one_app_or_all
@click.option("-n", "--num", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many entries.")
@json_option
def audit(app: str | None, remote: str | None, host: str | None, num: int, as_json: bool) -> None:
    """Show who changed what, when, from where and by which token.

    Newest last. With --app what was done with that app; without, all of the server, for its admins. Values of config vars
    and other secrets never stand there.

    \b
    Examples:
        pushd audit --app myapp
        pushd audit -n 500 --json
    """
    try:
        found = discover(app=app, remote=remote, host=host).client.audit(app, limit=num)
    except Forbidden as error:
        one = "" if app else "\nWhat was done with one app: pushd audit --app APP"
        raise Forbidden(error.message, remedy=f"{error.remedy}{one}") from error
    if as_json:
        return render.json(found)
    if not found:
        return render.hint("Nothing was done yet.")
    for each in reversed(found):
        render.out(render.printable(_line(each)))


def _line(deed: DeedShape) -> str:
    where = f" of {deed['app']['name']}" if deed["app"] else ""
    outcome = deed["outcome"] or "no end"
    told = "" if outcome == "done" else f" -> {outcome}"
    details = f" {_words(deed['details'])}" if deed["details"] else ""
    who = f"{deed['user']['email']} ({deed['credential']}, {deed['source']})"
    return f"{deed['created_at']} {who}: {deed['action']}{where}{details}{told}"


def _words(details: Mapping[str, Any]) -> str:
    """ "name=before->after set=A,B" """
    return " ".join(f"{name}={_value(value)}" for name, value in details.items())


def _value(value: Any) -> str:
    match value:
        case {"before": before, "after": after}:
            return f"{before}->{after}"
        case Mapping():
            return f"({_words(value)})"
        case list():
            return ",".join(map(_value, value))
        case _:
            return str(value)
