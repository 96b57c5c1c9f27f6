"""Buildpacks: what an app is built with."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, on_app
from pushd.client.shapes import BuildpackShape
from pushd.errors import InvalidParams, NotFound

_INDEX = click.option("-i", "--index", metavar="N", type=click.IntRange(1), help="Its place in the list; the first is 1.")
_URN = "urn:buildpack:"


@click.command("buildpacks")
@on_app
@json_option
def list_buildpacks(here: Here, as_json: bool) -> None:
    """List the buildpacks of an app.

    \b
    Example:
        pushd buildpacks
    """
    found = here.client.buildpacks(here.app)
    if as_json:
        return render.json(found)
    if not found:
        return render.hint(f"{here.app} has no buildpacks: each push is built with the one that detects it.")
    render.heading(f"{here.app} Buildpack{'s' if len(found) > 1 else ''}")
    _print_list(found, indent="")


@click.command("buildpacks:add")
@click.argument("buildpack")
@_INDEX
@on_app
@json_option
def add(here: Here, buildpack: str, index: int | None, as_json: bool) -> None:
    """Add a buildpack.

    At the end, or before the one at this place. It is a name (heroku/python) or the address of a git repository, with
    #branch if you like, or of a .tgz.

    \b
    Examples:
        pushd buildpacks:add heroku/python
        pushd buildpacks:add -i 1 https://github.com/heroku/heroku-buildpack-apt.git
    """
    urls = _urls(here.client.buildpacks(here.app))
    urls.insert(len(urls) if index is None else index - 1, buildpack)
    _store(here, urls, "added", as_json=as_json)


@click.command("buildpacks:set")
@click.argument("buildpack")
@_INDEX
@on_app
@json_option
def set_buildpack(here: Here, buildpack: str, index: int | None, as_json: bool) -> None:
    """Set a buildpack, in place of the first or of that at a place.

    \b
    Examples:
        pushd buildpacks:set heroku/python
        pushd buildpacks:set -i 2 https://github.com/user/buildpack.git#v3
    """
    urls = _urls(here.client.buildpacks(here.app))
    place = (index or 1) - 1
    urls[place : place + 1] = [buildpack]
    _store(here, urls, "set", as_json=as_json)


@click.command("buildpacks:remove")
@click.argument("buildpack", required=False)
@_INDEX
@on_app
@json_option
def remove(here: Here, buildpack: str | None, index: int | None, as_json: bool) -> None:
    """Remove a buildpack, by its name or its place.

    \b
    Examples:
        pushd buildpacks:remove heroku/python
        pushd buildpacks:remove -i 1
    """
    if (buildpack is None) == (index is None):
        raise click.UsageError("Give either a buildpack or its --index.", click.get_current_context())
    found = here.client.buildpacks(here.app)
    place = index - 1 if index else next((n for n, each in enumerate(found) if _is_called(each, buildpack or "")), -1)
    if not 0 <= place < len(found):
        raise NotFound("Buildpack not found. Nothing was removed.", resource="buildpack",
                       remedy=f"`pushd buildpacks --app {here.app}` lists them.")  # fmt: skip
    urls = _urls(found)
    del urls[place]
    _store(here, urls, "removed", as_json=as_json)


@click.command("buildpacks:clear")
@on_app
@json_option
def clear(here: Here, as_json: bool) -> None:
    """Remove all buildpacks: the next push is built with the one that detects it.

    \b
    Example:
        pushd buildpacks:clear
    """
    _store(here, [], "cleared", as_json=as_json)


def _store(here: Here, urls: Sequence[str], done: str, *, as_json: bool) -> None:
    if any(not url.strip() for url in urls):
        raise InvalidParams("A buildpack has no name.", remedy="Give one such as heroku/python, or an address.")
    stored = here.client.set_buildpacks(here.app, urls)
    if as_json:
        return render.json(stored)
    if not stored:
        plural = "s" if done == "cleared" else ""
        render.out(f"Buildpack{plural} {done}. Next release on {here.app} will detect buildpacks normally.")
        if here.client.config_vars(here.app).get("BUILDPACK_URL"):
            render.warn("The BUILDPACK_URL config var is still set and will be used for the next release")
        return
    if len(stored) == 1:
        render.out(f"Buildpack {done}. Next release on {here.app} will use {render.printable(stored[0]['buildpack']['name'])}.")
    else:
        render.out(f"Buildpack {done}. Next release on {here.app} will use:")
        _print_list(stored, indent="  ")
    render.hint("Push to make a release with " + ("this buildpack." if len(stored) == 1 else "these buildpacks."))


def _print_list(found: Sequence[BuildpackShape], *, indent: str) -> None:
    for number, each in enumerate(found, start=1):
        place = f"{indent}{number}. " if len(found) > 1 else indent
        render.out(f"{place}{render.printable(each['buildpack']['name'])}")


def _urls(found: Sequence[BuildpackShape]) -> list[str]:
    return [each["buildpack"]["url"] for each in found]


def _is_called(each: BuildpackShape, name: str) -> bool:
    known = each["buildpack"]
    return name in (known["url"], known["name"], known["url"].removeprefix(_URN))
