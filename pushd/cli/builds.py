"""Builds: every push and archive that was built, with what it printed."""

from __future__ import annotations

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, on_app
from pushd.cli.releases import show_output
from pushd.client.shapes import BuildShape
from pushd.errors import NotFound

_COMMIT_DIGITS = 40


@click.command("builds")
@click.option("-n", "--num", metavar="N", type=click.IntRange(1, 1000), default=15, show_default=True, help="How many.")
@on_app
@json_option
def list_builds(here: Here, num: int, as_json: bool) -> None:
    """List the newest builds of an app.

    \b
    Example:
        pushd builds
    """
    found = here.client.builds(here.app)[:num]
    if as_json:
        return render.json(found)
    if not found:
        return render.hint(f"{here.app} has no builds. Push first: git push pushd master")
    render.heading(f"{here.app} Builds")
    rows = [
        (each["id"], _commit(each), each["status"], each["user"]["email"], render.when(each["created_at"])) for each in found
    ]
    render.table(("BUILD", "COMMIT", "STATUS", "BY", "WHEN"), rows)


@click.command("builds:info")
@click.argument("build", metavar="[BUILD]", required=False)
@on_app
@json_option
def info(here: Here, build: str | None, as_json: bool) -> None:
    """Show one build.

    Without its id the newest.

    \b
    Example:
        pushd builds:info 01234567-89ab-cdef-0123-456789abcdef
    """
    found = _find(here, build)
    if as_json:
        return render.json(found)
    render.heading(f"Build {found['id']}")
    rows: dict[str, object] = {
        "Commit": f"{_commit(found)} ({found['source_blob']['version_description'] or ''})",
        "Status": found["status"],
        "By": found["user"]["email"],
        "Started": render.when(found["created_at"]),
    }
    if found["reason"]:
        rows["Reason"] = found["reason"]
    render.pairs(rows)


@click.command("builds:output")
@click.argument("build", metavar="[BUILD]", required=False)
@on_app
@json_option
def output(here: Here, build: str | None, as_json: bool) -> None:
    """Show what a build printed.

    Live while it runs. Without its id the newest.

    \b
    Example:
        pushd builds:output
    """
    show_output(here, _find(here, build)["output_stream_url"], as_json=as_json)


def _find(here: Here, build: str | None) -> BuildShape:
    if build is not None:
        return here.client.build(here.app, build)
    if newest := here.client.builds(here.app):
        return newest[0]
    raise NotFound(f"{here.app} has no builds.", resource="build", remedy="Push first: git push pushd master")


def _commit(build: BuildShape) -> str:
    version = build["source_blob"]["version"] or ""
    return version[:8] if len(version) == _COMMIT_DIGITS else version
