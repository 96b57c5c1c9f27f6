"""The formation: how many dynos of each process type are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from pushd.api.answers import Json, answer, app_reference, derived_id, fixed, page, timestamp
from pushd.api.audited import note
from pushd.api.body import parse_body
from pushd.api.needs import APP, DYNOS, STORE, USER
from pushd.api.ranges import Field
from pushd.api.shown import Shown
from pushd.errors import NotFound
from pushd.model.app import App
from pushd.model.formation import RELEASE, ProcessFormation, Scale, check_known, parse_quantity
from pushd.model.resources import DEFAULT_SIZE, DynoSize, find_size

FIELDS = {
    "type": Field[ProcessFormation](lambda row: row.type),
    "id": Field[ProcessFormation](lambda row: str(row.id)),
}


@dataclass(frozen=True, slots=True)
class SizeBody:
    name: Shown[str | None] = None


@dataclass(frozen=True, slots=True)
class ChangeBody:
    quantity: Shown[str | int | None] = None
    size: Shown[str | None] = None
    dyno_size: SizeBody | None = None


@dataclass(frozen=True, slots=True)
class UpdateBody:
    type: Shown[str]
    quantity: Shown[str | int | None] = None
    size: Shown[str | None] = None
    dyno_size: SizeBody | None = None


@dataclass(frozen=True, slots=True)
class BatchBody:
    updates: tuple[UpdateBody, ...]


async def list_all(request: web.Request) -> web.Response:
    """GET /apps/{app}/formation -> 200 or 206: one row per process type of the newest slug."""
    app = request[APP]
    commands = await _commands(request)
    rows = await request.app[STORE].formation.of(app)
    shown = [*_declared(rows, commands), *_release_phase(app, commands)]
    return page(request, shown, FIELDS, lambda row: formation_json(app, row, commands))


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/formation/{type} -> 200: by process type or id."""
    commands = await _commands(request)
    row = await _find(request, commands)
    return answer(formation_json(request[APP], row, commands))


async def update_all(request: web.Request) -> web.Response:
    """PATCH /apps/{app}/formation {"updates": [{"type", "quantity": 2, "2", "+1" or "-1"}]} -> 200: all rows."""
    wanted = await parse_body(request, BatchBody)
    commands = await _commands(request)
    rows = await request.app[STORE].formation.of(request[APP])
    types = {str(row.id): row.type for row in rows}
    updates = [(types.get(update.type, update.type), update) for update in wanted.updates]
    return await _scale(request, updates, rows, commands)


async def update(request: web.Request) -> web.Response:
    """PATCH /apps/{app}/formation/{type} {"quantity"} -> 200: the one row."""
    wanted = await parse_body(request, ChangeBody)
    commands = await _commands(request)
    row = await _find(request, commands)
    return await _scale(request, [(row.type, wanted)], [row], commands, only=row.type)


async def _scale(
    request: web.Request,
    updates: Sequence[tuple[str, UpdateBody | ChangeBody]],
    rows: Sequence[ProcessFormation],
    commands: Mapping[str, str],
    *,
    only: str | None = None,
) -> web.Response:
    app = request[APP]
    scales: list[Scale] = []
    sizes: dict[str, DynoSize] = {}
    for kind, wanted in updates:
        check_known(kind, commands)
        if (size := _maybe_size(wanted)) is not None:
            sizes[kind] = size
        if wanted.quantity is not None:
            scales.append(parse_quantity(kind, wanted.quantity))
    change = None
    before = {row.type: row for row in rows}
    if scales or sizes:
        _, change = await request.app[DYNOS].scale(app, scales, request[USER], sizes)
    after = _declared(await request.app[STORE].formation.of(app), commands)
    if changes := _changes(before, after):
        note(request, changes)
    shown = [formation_json(app, row, commands) for row in after if only in (None, row.type)]
    return answer(shown[0] if only else shown, change=change)


def _changes(before: Mapping[str, ProcessFormation], after: Sequence[ProcessFormation]) -> Json:
    """For the audit trail: quantity and size of the types that changed."""
    pairs = [(before.get(row.type, row), row) for row in after]
    quantities = {
        new.type: {"before": old.quantity, "after": new.quantity} for old, new in pairs if old.quantity != new.quantity
    }
    sizes = {new.type: {"before": old.size, "after": new.size} for old, new in pairs if old.size != new.size}
    return {name: found for name, found in (("quantity", quantities), ("size", sizes)) if found}


async def _find(request: web.Request, commands: Mapping[str, str]) -> ProcessFormation:
    wanted = request.match_info["type"]
    for row in _declared(await request.app[STORE].formation.of(request[APP]), commands):
        if wanted in (row.type, str(row.id)):
            return row
    check_known(wanted, commands)
    raise NotFound("Couldn't find that formation.", resource="formation", remedy="`pushd ps:scale` lists the process types.")


async def _commands(request: web.Request) -> Mapping[str, str]:
    """Process type -> command, of the newest release that has a slug; {} before the first push."""
    newest = await request.app[STORE].releases.maybe_newest_built(request[APP])
    return newest.process_types if newest else {}


def _declared(rows: Iterable[ProcessFormation], commands: Mapping[str, str]) -> list[ProcessFormation]:
    return [row for row in rows if row.type in commands and row.type != RELEASE]


def _release_phase(app: App, commands: Mapping[str, str]) -> list[ProcessFormation]:
    """The type `release`, wanted 0 times: it is no dyno, but Heroku's clients look here whether there is a release phase."""
    if RELEASE not in commands:
        return []
    row = ProcessFormation(
        id=UUID(derived_id(app.id, RELEASE)),
        app_id=app.id,
        type=RELEASE,
        quantity=0,
        size=DEFAULT_SIZE.name,
        created_at=app.created_at,
        updated_at=app.updated_at,
    )
    return [row]


def formation_json(app: App, row: ProcessFormation, commands: Mapping[str, str]) -> Json:
    return {
        "id": str(row.id),
        "app": app_reference(app),
        "type": row.type,
        "quantity": row.quantity,
        "size": row.size,
        "dyno_size": fixed("dyno-size", row.size),
        "command": commands[row.type],
        "created_at": timestamp(row.created_at),
        "updated_at": timestamp(row.updated_at),
    }


def _maybe_size(wanted: UpdateBody | ChangeBody) -> DynoSize | None:
    """Raises: InvalidParams for a name that no size has."""
    name = wanted.size or (wanted.dyno_size.name if wanted.dyno_size else None)
    return find_size(name) if name else None
