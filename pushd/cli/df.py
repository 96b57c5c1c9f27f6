"""What is taken of the server's disk."""

from __future__ import annotations

import click

from pushd.cli import render
from pushd.cli.options import discover, json_option, one_app_or_all
from pushd.client.shapes import AppDiskShape, DiskShape

_KINDS = ("repository", "slugs", "environments", "caches", "outputs", "logs", "storage")
_OF_SERVER = ("store", "uploads", "total")


@click.command("df")
@one_app_or_all
@json_option
def df(app: str | None, remote: str | None, host: str | None, as_json: bool) -> None:
    """Show what apps take on the server's disk, and what is left.

    With --app only what that app takes. `caches` may be emptied without harm: the next build fills them again.

    \b
    Examples:
        pushd df
        pushd df --app myapp
    """
    client = discover(app=app, remote=remote, host=host).client
    if app is not None:
        one = client.app_disk(app)
        return render.json(one) if as_json else _show_app(one)
    found = client.disk()
    if as_json:
        return render.json(found)
    _show_server(found)


def _show_app(found: AppDiskShape) -> None:
    render.heading(f"{found['app']['name']} Disk")
    render.pairs({kind.capitalize(): render.size(size) for kind, size in {**_sizes(found), "total": found["total"]}.items()})


def _show_server(found: DiskShape) -> None:
    rows = [
        (each["app"]["name"], *(render.size(size) for size in _sizes(each).values()), render.size(each["total"]))
        for each in sorted(found["apps"], key=lambda each: -each["total"])
    ]
    if rows:
        render.table(("APP", *(kind.upper() for kind in _KINDS), "TOTAL"), rows)
        render.out("")
    size, free, reserve = render.size(found["size"]), render.size(found["free"]), render.size(found["reserve"])
    shown = {kind.capitalize(): render.size(found[kind]) for kind in _OF_SERVER}  # type: ignore[literal-required]
    shown["Free"] = f"{free} of {size}; builds leave {reserve}"
    if found["free_files"] is not None:
        shown["Free files"] = str(found["free_files"])
    render.pairs(shown)


def _sizes(found: AppDiskShape) -> dict[str, int]:
    return {kind: found[kind] for kind in _KINDS}  # type: ignore[literal-required]
