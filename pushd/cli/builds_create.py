"""Builds without git push: of this folder, of an archive, or of an address; and stopping one."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, on_app, place
from pushd.client.shapes import BuildShape
from pushd.errors import InvalidParams, NotFound, PushdError


class BuildFailed(PushdError):
    """The build ended without a release that is live."""

    id, status = "build_failed", 422


@click.command("builds:create")
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option("--source-tar", metavar="FILE", type=click.Path(path_type=Path), help="Build this archive instead of a folder.")
@click.option("--source-url", metavar="URL", help="Build the archive at this address, which the server fetches.")
@click.option("--version", metavar="TEXT", help="What is built: a commit, a tag. [the commit of this folder]")
@on_app
@json_option
def create(
    here: Here, folder: Path, source_tar: Path | None, source_url: str | None, version: str | None, as_json: bool
) -> None:
    """Build and release a folder without git push.

    Sends all that git would not ignore, follows the build, and ends with 1 if it does not go live. The app's git repository
    on the server stays as it is.

    \b
    Examples:
        pushd builds:create
        pushd builds:create --source-tar app.tgz --version v1.3.0
        pushd builds:create --source-url https://github.com/user/app/archive/main.tar.gz
    """
    if source_tar and source_url:
        raise click.UsageError("Give either --source-tar or --source-url.", click.get_current_context())
    if source_url is None:
        source_url, version = _upload(here, folder, source_tar, version)
    build = here.client.create_build(here.app, {"url": source_url, "version": version})
    for data in here.client.output(build["output_stream_url"]):
        if not as_json:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    build = here.client.build(here.app, build["id"])
    if as_json:
        render.json(build)
    if build["status"] != "succeeded":
        reason = build["reason"] or "the server went away during it"
        raise BuildFailed(f"The build failed: {reason}", remedy=f"pushd builds:output {build['id']} shows all it said.")


@click.command("builds:cancel")
@click.argument("build", metavar="[BUILD]", required=False)
@on_app
@json_option
def cancel(here: Here, build: str | None, as_json: bool) -> None:
    """Stop a build that waits or builds.

    Without its id the newest one under way. What it deploys is live or not: a build whose release is being booted is done.

    \b
    Example:
        pushd builds:cancel
    """
    wanted = build or _newest_pending(here)["id"]
    with render.doing(f"Cancelling build {wanted}"):
        cancelled = here.client.cancel_build(here.app, wanted)
    if as_json:
        render.json(cancelled)


def _upload(here: Here, folder: Path, source_tar: Path | None, version: str | None) -> tuple[str, str | None]:
    """Send the archive; gives its URL, and the version to tell."""
    from pushd.cli.source_tar import maybe_commit, pack_folder

    environ, here_folder = place().environ, place().folder
    with ExitStack() as stack:
        if source_tar is not None:
            try:
                content: IO[bytes] = stack.enter_context((here_folder / source_tar).open("rb"))
            except OSError as error:
                raise InvalidParams(f"Cannot read {source_tar}: {error.strerror}.", remedy="Give an archive.") from None
        else:
            content = stack.enter_context(pack_folder(here_folder / folder, environ))
            version = version or maybe_commit(here_folder / folder, environ)
        size = content.seek(0, 2)
        content.seek(0)
        with render.doing("Uploading source") as step:
            url = here.client.upload_source(here.app, content, size)
            step.note = render.size(size)
    return url, version


def _newest_pending(here: Here) -> BuildShape:
    for each in here.client.builds(here.app):
        if each["status"] == "pending":
            return each
    raise NotFound(f"{here.app} has no build under way.", resource="build", remedy="`pushd builds` shows those that ended.")
