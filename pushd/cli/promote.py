"""`pipelines:promote`: what runs in one app goes live in others, without a build."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, on_app
from pushd.client.client import Client
from pushd.client.pipelines import Stationed, TargetShape
from pushd.errors import NotFound, PushdError

_ORDER = ("development", "staging", "production")
_PAUSE_SECONDS = 0.3


@click.command("pipelines:promote")
@click.option("-t", "--to", metavar="APP,...", help="Apps of the pipeline to promote to. [those of the next stage]")
@on_app
@json_option
def promote(here: Here, to: str | None, as_json: bool) -> None:
    """Release what runs in an app in the apps downstream.

    They get the same slug with their own config vars; nothing is built. Ends when it is live there.

    \b
    Examples:
        pushd pipelines:promote --app myapp-staging
        pushd pipelines:promote --app myapp-staging --to myapp,myapp-eu
    """
    client = here.client
    coupling = client.coupling(here.app)
    apps = client.pipeline_apps(coupling["pipeline"]["id"])
    targets = _named(apps, here.app, to) if to is not None else _downstream(apps, here.app, coupling["stage"])
    names = {each.app["id"]: each.app["name"] for each in targets}
    render.hint(f"Starting promotion to {', '.join(names.values())}...")
    promotion = client.promote(coupling["pipeline"]["id"], coupling["app"]["id"], list(names))
    ended = _follow(client, promotion, names)
    failed = any(each["status"] == "failed" for each in ended)
    if as_json:
        render.json(ended)
    else:
        render.out("Promotion to some apps failed" if failed else "Promotion successful")
        render.pairs({
            names[each["app"]["id"]]: f"{each['status']}{': ' + each['error_message'] if each['error_message'] else ''}"
            for each in ended
        })  # fmt: skip
    if failed:
        raise click.exceptions.Exit(1)


def _named(apps: Sequence[Stationed], source: str, to: str) -> list[Stationed]:
    """Those that `to` lists, at whatever stage."""
    found = []
    for word in filter(None, (part.strip() for part in to.split(","))):
        matching = [each for each in apps if word in (each.app["name"], each.app["id"])]
        if not matching:
            raise NotFound(
                f"Cannot find app {word} in this pipeline.", resource="app", remedy="See: pushd pipelines:info PIPELINE"
            )
        found += matching
    if not found:
        raise PushdError("--to names no app.", remedy=f"Leave it out to promote {source} to the next stage.")
    return found


def _downstream(apps: Sequence[Stationed], source: str, stage: str) -> list[Stationed]:
    """Those of the stage behind `stage`."""
    if stage not in _ORDER[:-1]:
        raise PushdError(
            f"Cannot promote {source} from {stage!r} stage: nothing comes behind it.", remedy="Name apps with --to."
        )
    behind = _ORDER[_ORDER.index(stage) + 1]
    found = [each for each in apps if each.stage == behind]
    if not found:
        raise PushdError(
            f"Cannot promote from {source}: there are no apps in {behind} stage.",
            remedy=f"Add one: pushd pipelines:add PIPELINE --app APP --stage {behind}",
        )
    return found


def _follow(client: Client, promotion: str, names: dict[str, str]) -> list[TargetShape]:
    """All targets once they have ended; of a single one what its release phase prints, as it comes."""
    shown = False
    while True:
        targets = client.promotion_targets(promotion)
        if all(each["status"] != "pending" for each in targets):
            return targets
        release = targets[0]["release"] if len(targets) == 1 else None
        if release is not None and not shown:
            url = client.release(targets[0]["app"]["id"], release["id"])["output_stream_url"]
            if shown := url is not None:
                _show(client, str(url))
                continue
        client.pause(_PAUSE_SECONDS)


def _show(client: Client, url: str) -> None:
    render.hint("Running release command...")
    for data in client.output(url):
        sys.stderr.buffer.write(data)
        sys.stderr.buffer.flush()
