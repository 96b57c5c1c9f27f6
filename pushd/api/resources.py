"""What dynos of each process type, and builds, may take; Heroku's API has dyno sizes alone."""

from __future__ import annotations

import math
from collections.abc import Mapping

from aiohttp import web

from pushd.api.answers import Json, answer
from pushd.api.audited import note
from pushd.api.body import read_object, wrong_type
from pushd.api.needs import APP, DYNOS, STORE, USER
from pushd.model.change import Change
from pushd.model.formation import RELEASE, RUN
from pushd.model.resources import BUILD, FIGURES, AppResources


async def show(request: web.Request) -> web.Response:
    """GET /-/apps/{app}/resources -> 200 [{"type", "size", "memory_mb", ..., "set": ["memory"]}].

    One row per process type of the newest slug, one for one-off dynos and one for builds; a figure of null has no bound.
    """
    return await _answer(request)


async def update(request: web.Request) -> web.Response:
    """PATCH /-/apps/{app}/resources/{type} {"memory": "1G", "cpu": null} -> 200: all rows; null unsets."""
    changes = await read_object(request)
    for name, value in changes.items():
        if not (value is None or isinstance(value, str)):
            raise wrong_type(name[:64], "a string, or null to unset it")
    kind = request.match_info["type"]
    before = (await request.app[STORE].resources.of(request[APP])).figures.get(kind, {})
    change = await request.app[DYNOS].set_resources(request[APP], kind, changes, request[USER]) if changes else None
    note(request, {name: {"before": before.get(name), "after": text} for name, text in changes.items()})
    return await _answer(request, change)


async def _answer(request: web.Request, change: Change | None = None) -> web.Response:
    app, store = request[APP], request.app[STORE]
    newest = await store.releases.maybe_newest_built(app)
    return answer(resources_json(await store.resources.of(app), newest.process_types if newest else {}), change=change)


def resources_json(found: AppResources, process_types: Mapping[str, str]) -> list[Json]:
    types = [*(kind for kind in process_types if kind != RELEASE), *([RELEASE] if RELEASE in process_types else []), RUN]
    return [_row(found, kind) for kind in [*dict.fromkeys(types), BUILD]]


def _row(found: AppResources, kind: str) -> Json:
    resources = found.of_build() if kind == BUILD else found.of_dyno(kind)
    values = {each.field: getattr(resources, each.field) if each.fits(kind) else None for each in FIGURES}
    return {
        "type": kind,
        "size": resources.size or None,
        **{field: None if value == math.inf else value for field, value in values.items()},
        "set": sorted(found.figures.get(kind, {})),
    }
