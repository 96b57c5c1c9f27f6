"""Releases: what was released, its output, and going back."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, no_wait_option, on_app
from pushd.cli.waiting import follow
from pushd.client.client import find_rollback_target
from pushd.client.shapes import ReleaseShape
from pushd.errors import NotFound

_STATUS = {"pending": "in progress", "failed": "failed", "expired": "overtaken"}


@click.command("releases")
@click.option("-n", "--num", metavar="N", type=click.IntRange(1, 1000), default=15, show_default=True, help="How many.")
@on_app
@json_option
def list_releases(here: Here, num: int, as_json: bool) -> None:
    """List the newest releases of an app.

    \b
    Example:
        pushd releases -n 50
    """
    found = here.client.releases(here.app, limit=num)
    if as_json:
        return render.json(found)
    current = next((each for each in found if each["current"]), None)
    render.heading(f"{here.app} Releases" + (f" - Current: v{current['version']}" if current else ""))
    rows = [
        (
            f"v{each['version']}", f"{each['description']} {_status(each)}".rstrip(), each["user"]["email"],
            render.when(each["created_at"]),
        )
        for each in found
    ]  # fmt: skip
    render.table(("v", "description", "user", "created_at"), rows)


@click.command("releases:info")
@click.argument("release", metavar="[vN]", required=False)
@click.option("-s", "--shell", is_flag=True, help="Print its config vars as lines that a shell can read.")
@on_app
@json_option
def info(here: Here, release: str | None, shell: bool, as_json: bool) -> None:
    """Show one release with its config vars.

    Without a number the newest.

    \b
    Example:
        pushd releases:info v12
    """
    found = _find(here, release)
    config = here.client.release_config_vars(here.app, found["version"])
    if as_json:
        return render.json({**found, "config_vars": config})
    if not shell:
        render.heading(f"Release v{found['version']}")
        render.pairs({
            "Add-ons": ", ".join(found["addon_plan_names"]), "Change": found["description"], "By": found["user"]["email"],
            "When": render.when(found["created_at"]), "Status": _status(found) or found["status"],
            "Eligible for Rollback?": "Yes" if found["eligible_for_rollback"] else "No",
        })  # fmt: skip
        render.out("")
        render.heading(f"v{found['version']} Config vars")
        return render.pairs(dict(sorted(config.items())), raw=True)
    import shlex

    for key, value in sorted(config.items()):
        render.out(f"{key}={shlex.quote(value)}")


@click.command("releases:output")
@click.argument("release", metavar="[vN]", required=False)
@on_app
@json_option
def output(here: Here, release: str | None, as_json: bool) -> None:
    """Show what a release phase printed.

    Live while it runs. Without a number the newest.

    \b
    Example:
        pushd releases:output v12
    """
    found = _find(here, release)
    url = found["output_stream_url"]
    if url:
        return show_output(here, url, as_json=as_json)
    if as_json:
        return render.json({"output": None})
    render.hint(f"Release v{found['version']} has no output: no release phase ran.")


@click.command("releases:rollback")
@click.argument("release", metavar="[vN]", required=False)
@on_app
@no_wait_option
@json_option
def rollback(here: Here, release: str | None, no_wait: bool, as_json: bool) -> None:
    """Go back to an earlier release.

    Makes a new release from the slug and config vars of an older one, and builds nothing. Without a number it is the one
    before. Ends when the dynos answer.

    \b
    Examples:
        pushd rollback
        pushd releases:rollback v12 --app myapp
    """
    recent = here.client.releases(here.app, limit=100)
    current = next((each["version"] for each in recent if each["current"]), None)
    target = _find(here, release, recent) if release else find_rollback_target(recent)
    with render.doing(f"Rolling back {here.app} to v{target['version']}") as step:
        changed = here.client.rollback(here.app, target["id"])
        step.note = f"v{changed.value['version']}"
        follow(here.client, changed, no_wait=no_wait)
    if as_json:
        return render.json(changed.value)
    render.out(f"Rolled back {here.app} to v{target['version']}, now at v{changed.value['version']}.")
    if current:
        render.hint(f"To undo: pushd releases:rollback v{current} --app {here.app}")


@click.command("releases:retry")
@on_app
@no_wait_option
@json_option
def retry(here: Here, no_wait: bool, as_json: bool) -> None:
    """Run the release phase of the newest release again.

    Makes a new release of the same slug with the newest config vars. Ends when the dynos answer.

    \b
    Example:
        pushd releases:retry
    """
    newest = _find(here, None)
    slug = newest["slug"]
    if slug is None or not any(each["type"] == "release" for each in here.client.formation(here.app)):
        raise NotFound(f"{here.app} has no release phase to run again.", resource="formation",
                       remedy="Declare one in the Procfile (release: ...), then push.")  # fmt: skip
    with render.doing(f"Retrying v{newest['version']} on {here.app}") as step:
        description = f"Retry of v{newest['version']}: {newest['description']}"
        changed = here.client.release_slug(here.app, slug["id"], description)
        step.note = f"v{changed.value['version']}"
        follow(here.client, changed, no_wait=no_wait)
    if as_json:
        return render.json(changed.value)
    render.hint(f"What it printed: pushd releases:output v{changed.value['version']} --app {here.app}")


def show_output(here: Here, url: str, *, as_json: bool) -> None:
    """Copy an output stream as it comes; as JSON, whole when it has ended."""
    pieces = here.client.output(url)
    if as_json:
        return render.json({"output": b"".join(pieces).decode(errors="replace")})
    for data in pieces:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _find(here: Here, release: str | None, known: Sequence[ReleaseShape] = ()) -> ReleaseShape:
    """The release called "v12" or "12", else the newest; one of `known` is not asked for again."""
    if release is not None:
        wanted = release.removeprefix("v")
        found = next((each for each in known if str(each["version"]) == wanted), None)
        return found or here.client.release(here.app, wanted)
    newest = here.client.releases(here.app, limit=1)
    if not newest:
        raise NotFound(f"{here.app} has no releases.", resource="release", remedy="Push first: git push pushd master")
    return newest[0]


def _status(release: ReleaseShape) -> str:
    return _STATUS.get(release["status"], "")
