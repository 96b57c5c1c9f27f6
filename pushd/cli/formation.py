"""The formation: how many dynos of each process type are wanted, and of which size."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, no_wait_option, on_app
from pushd.cli.waiting import follow
from pushd.client.shapes import FormationShape, FormationUpdate
from pushd.errors import NotFound

_SCALE = re.compile(r"([A-Za-z0-9_-]+?)(?:=(\d+)|([+-]\d+))(?::([A-Za-z0-9-]+))?")
_SIZE = re.compile(r"([A-Za-z0-9_-]+)=([A-Za-z0-9-]+)")


@click.command("ps:scale")
@click.argument("quantities", metavar="[TYPE=N|TYPE+N|TYPE-N]...", nargs=-1)
@on_app
@no_wait_option
@json_option
def scale(here: Here, quantities: tuple[str, ...], no_wait: bool, as_json: bool) -> None:
    """Set how many dynos of each process type run.

    Without arguments, shows it. Ends when the new dynos answer.

    \b
    Examples:
        pushd ps:scale web=2 worker+1
        pushd ps:scale
    """
    if not quantities:
        return _show_scale(here.app, here.client.formation(here.app), as_json)
    wanted = [parse_quantity(text) for text in quantities]
    with render.doing("Scaling dynos") as step:
        changed = here.client.scale(here.app, wanted)
        named = {update["type"] for update in wanted}
        now = [f"{row['type']} at {row['quantity']}:{row['size']}" for row in changed.value if row["type"] in named]
        step.note = f"now running {', '.join(now)}"
        follow(here.client, changed, no_wait=no_wait)
    if as_json:
        render.json(changed.value)


@click.command("ps:type")
@click.argument("sizes", metavar="[SIZE|TYPE=SIZE]...", nargs=-1)
@on_app
@no_wait_option
@json_option
def size(here: Here, sizes: tuple[str, ...], no_wait: bool, as_json: bool) -> None:
    """Show the dyno size of each process type, or set it.

    Sizes: eco, basic, standard-1x (512 MB of memory each), standard-2x (1 GB), performance-m (2.5 GB), performance-l (14 GB),
    performance-l-ram (30 GB), performance-xl (62 GB), performance-2xl (126 GB). Single figures: pushd resources

    \b
    Examples:
        pushd ps:type
        pushd ps:type web=standard-2x
    """
    formation = here.client.formation(here.app)
    if sizes:
        updates = parse_sizes(sizes, [row["type"] for row in formation])
        with render.doing(f"Scaling dynos on {here.app}"):
            changed = here.client.scale(here.app, updates)
            follow(here.client, changed, no_wait=no_wait)
        formation = changed.value
    if as_json:
        return render.json(formation)
    if not formation:
        return _hint_at_a_push(here.app)
    _print_sizes(formation)


def parse_quantity(text: str) -> FormationUpdate:
    """`web=2` -> web "2", `worker+1` -> worker "+1", `web=2:standard-1x` with its size."""
    found = _SCALE.fullmatch(text)
    if not found:
        raise click.UsageError(f"{text[:80]} is not TYPE=N, TYPE+N or TYPE-N.", click.get_current_context(silent=True))
    kind, absolute, step, of_size = found.groups()
    update: FormationUpdate = {"type": kind, "quantity": absolute or step}
    if of_size:
        update["size"] = of_size
    return update


def parse_sizes(texts: Sequence[str], types: Sequence[str]) -> list[FormationUpdate]:
    """`standard-1x` for all types, or `web=standard-1x` for each that is named."""
    if len(texts) == 1 and "=" not in texts[0]:
        return [{"type": kind, "size": texts[0]} for kind in types]
    updates: list[FormationUpdate] = []
    for text in texts:
        found = _SIZE.fullmatch(text)
        if not found:
            raise click.UsageError(f"{text[:80]} is not TYPE=SIZE.", click.get_current_context(silent=True))
        if found[1] not in types:
            raise NotFound(
                f"Type {found[1]} not found in process formation.",
                resource="formation",
                remedy=f"Types: {', '.join(types)}" if types else "Push first: the Procfile names them.",
            )
        updates.append({"type": found[1], "size": found[2]})
    return updates


def _show_scale(app: str, formation: Sequence[FormationShape], as_json: bool) -> None:
    if as_json:
        return render.json(formation)
    if not formation:
        return _hint_at_a_push(app)
    render.out(" ".join(sorted(f"{row['type']}={row['quantity']}:{row['size']}" for row in formation)))


def _print_sizes(formation: Sequence[FormationShape]) -> None:
    totals: dict[str, int] = {}
    for row in formation:
        totals[row["size"]] = totals.get(row["size"], 0) + row["quantity"]
    render.heading("Process Types")
    rows = sorted((row["type"], row["size"], row["quantity"]) for row in formation)
    render.table(["type", "size", "qty"], rows)
    render.out("")
    render.heading("Dyno Totals")
    render.table(["type", "total"], list(totals.items()))


def _hint_at_a_push(app: str) -> None:
    render.hint(f"{app} has no process types yet. Push first: its Procfile names them.")
