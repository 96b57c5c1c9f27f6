"""The audit trail, for who runs the server, and of one app for who may change it."""

from __future__ import annotations

from aiohttp import web

from pushd.api.answers import Json, answer, maybe_timestamp, timestamp
from pushd.api.needs import APP, STORE
from pushd.errors import InvalidParams
from pushd.model.deed import Deed

_LIMIT, _MOST = 50, 1000


async def show(request: web.Request) -> web.Response:
    """GET /-/audit?limit=50&before=SEQ -> 200: all entries, newest first."""
    limit, before = _parse(request, "limit", _LIMIT), _parse(request, "before", None)
    return answer([deed_json(deed) for deed in await request.app[STORE].audit.newest(limit or _LIMIT, before=before)])


async def show_of_app(request: web.Request) -> web.Response:
    """GET /-/apps/{app}/audit?limit=50&before=SEQ -> 200: those of one app."""
    limit, before = _parse(request, "limit", _LIMIT), _parse(request, "before", None)
    found = await request.app[STORE].audit.newest(limit or _LIMIT, app_id=request[APP].id, before=before)
    return answer([deed_json(deed) for deed in found])


def deed_json(deed: Deed) -> Json:
    return {
        "id": str(deed.id),
        "sequence": deed.seq,
        "user": {"id": str(deed.user_id), "email": deed.user_email},
        "credential": deed.credential,
        "source": deed.source,
        "action": deed.action,
        "app": None if deed.app_id is None else {"id": str(deed.app_id), "name": deed.app_name},
        "outcome": deed.outcome,
        "details": dict(deed.details),
        "created_at": timestamp(deed.created_at),
        "ended_at": maybe_timestamp(deed.ended_at),
    }


def _parse(request: web.Request, name: str, default: int | None) -> int | None:
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 15 or int(text) < 1:
        raise InvalidParams(f"{name} must be a number from 1 on.", remedy=f"limit is at most {_MOST}.")
    return min(int(text), _MOST) if name == "limit" else int(text)
