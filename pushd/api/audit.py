"""The audit trail, for who runs the server, and of one app for who may change it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from aiohttp import web

from pushd.access.actions import Action, may
from pushd.api.answers import Json, answer, maybe_timestamp, timestamp
from pushd.api.needs import APP, STORE, USER
from pushd.api.promotions import SOURCE, TARGETS
from pushd.api.shown import HIDDEN
from pushd.errors import InvalidParams
from pushd.model.deed import Deed

_LIMIT, _MOST = 50, 1000


async def show(request: web.Request) -> web.Response:
    """GET /-/audit?limit=50&before=SEQ -> 200: all entries, newest first."""
    limit, before = _parse(request, "limit", _LIMIT), _parse(request, "before", None)
    return answer([deed_json(deed) for deed in await request.app[STORE].audit.newest(limit or _LIMIT, before=before)])


async def show_of_app(request: web.Request) -> web.Response:
    """GET /-/apps/{app}/audit?limit=50&before=SEQ -> 200: those of one app. Of others that it was promoted from or to, the
    names of those alone that one may see; all for admins, who read them in that of the server too.
    """
    limit, before = _parse(request, "limit", _LIMIT), _parse(request, "before", None)
    found = await request.app[STORE].audit.newest(limit or _LIMIT, app_id=request[APP].id, before=before)
    if may(request[USER], Action.ADMIN, None):
        return answer([deed_json(deed) for deed in found])
    visible = {app.name for app in await request.app[STORE].apps.all() if may(request[USER], Action.APP_VIEW, app)}
    visible |= {deed.app_name for deed in found if deed.app_name}  # as this one was called then
    return answer([{**deed_json(deed), "details": _but(deed.details, visible)} for deed in found])


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


def _but(details: Mapping[str, Any], visible: Collection[str]) -> Json:
    """The same, without what other apps are called that are not visible: `promotions.py` names those."""
    kept = dict(details)
    if isinstance(targets := kept.get(TARGETS), list):
        kept[TARGETS] = [each if str(each) in visible else HIDDEN for each in targets]
        kept[SOURCE] = kept.get(SOURCE) if str(kept.get(SOURCE)) in visible else HIDDEN
    return kept


def _parse(request: web.Request, name: str, default: int | None) -> int | None:
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 15 or int(text) < 1:
        raise InvalidParams(f"{name} must be a number from 1 on.", remedy=f"limit is at most {_MOST}.")
    return min(int(text), _MOST) if name == "limit" else int(text)
