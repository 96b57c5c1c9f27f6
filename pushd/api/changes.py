"""Changes that dynos have to follow: whether they did, and if not, why."""

from __future__ import annotations

from aiohttp import web

from pushd.access.actions import Action
from pushd.api.answers import Json, answer
from pushd.api.auth import check_owner_app
from pushd.api.needs import DEPLOYS, STORE, STREAMS
from pushd.errors import InvalidParams
from pushd.model.change import Change
from pushd.store.changes import change_not_found

LONGEST_WAIT_SECONDS = 50.0  # below the 60 s of silence that clients bear


async def show(request: web.Request) -> web.Response:
    """GET /-/changes/{change}?wait=50 -> 200: when it is settled, or as it is when the wait is over."""
    change = await request.app[STORE].changes.find(request.match_info["change"])
    await check_owner_app(request, Action.APP_VIEW, change.app_id, hidden=change_not_found())
    waiting = request.app[DEPLOYS].wait_change(change.id, _parse_wait(request.query.get("wait", "0")))
    return answer(change_json(await request.app[STREAMS].wait(waiting, name=f"change {change.id}")))


def change_json(change: Change) -> Json:
    return {
        "id": str(change.id),
        "state": change.state.value,
        "release": change.release_number,
        "reason": change.reason,
    }


def _parse_wait(text: str) -> float:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidParams("wait must be a number of seconds.", remedy=f"Ask for 0 to {LONGEST_WAIT_SECONDS:g}.")
    return min(float(text), LONGEST_WAIT_SECONDS)
