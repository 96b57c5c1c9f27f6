"""Waiting until all dynos run the newest release."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import click

from pushd.cli import render
from pushd.cli.options import Here, on_app
from pushd.client.shapes import DynoShape, ReleaseShape
from pushd.errors import PushdError


@click.command("ps:wait")
@click.option("-t", "--type", "kind", metavar="TYPE", help="Wait for dynos of this process type only.")
@click.option("-R", "--with-run", is_flag=True, help="Wait for one-off dynos too.")
@click.option(
    "-w", "--wait-interval", "pause_seconds", metavar="SECONDS", type=click.FloatRange(min=0), default=0.5,
    show_default=True, help="How long to wait between two looks.",
)  # fmt: skip
@click.option("--timeout", "timeout_seconds", metavar="SECONDS", type=float, help="Give up after so long, with exit code 1.")
@on_app
def wait(here: Here, kind: str | None, with_run: bool, pause_seconds: float, timeout_seconds: float | None) -> None:
    """Wait until all dynos run the newest release.

    \b
    Example:
        pushd ps:wait --type web --timeout 120
    """
    if kind and with_run:
        raise click.UsageError("--type and --with-run exclude each other.", click.get_current_context())
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    with render.doing(f"Waiting for dynos of {here.app}") as step:
        while missing := list(_missing(here, kind, with_run)):
            if deadline is not None and time.monotonic() >= deadline:
                raise PushdError(f"Not up yet: {', '.join(missing)}.", remedy="`pushd logs` shows what they say.")
            time.sleep(pause_seconds)
        step.note = "all up"


def _missing(here: Here, kind: str | None, with_run: bool) -> Iterator[str]:
    """`web (1 of 2)` for each process type whose dynos are not all up with the newest release; `run.7` for a one-off dyno."""
    version = _newest_version(here.client.releases(here.app, limit=10))
    dynos = here.client.dynos(here.app)
    for row in here.client.formation(here.app):
        if kind not in (None, row["type"]):
            continue
        up = sum(dyno["type"] == row["type"] and _is_up(dyno, version) for dyno in dynos)
        if up < row["quantity"]:
            yield f"{row['type']} ({up} of {row['quantity']})"
    if with_run:
        yield from (dyno["name"] for dyno in dynos if dyno["type"] == "run" and not _is_up(dyno, version))


def _newest_version(releases: Sequence[ReleaseShape]) -> int:
    """The newest release that runs or is about to; a failed one changes no dyno."""
    return max((each["version"] for each in releases if each["status"] in ("pending", "succeeded")), default=0)


def _is_up(dyno: DynoShape, version: int) -> bool:
    return dyno["state"] == "up" and dyno["release"]["version"] >= version
