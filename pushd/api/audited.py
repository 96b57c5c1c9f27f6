"""What changes something leaves an entry in the audit trail: before it is done, and how it ended."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from pushd.api.needs import DETAILS, STORE
from pushd.errors import DiskFull, PushdError
from pushd.model.app import App
from pushd.model.deed import DONE
from pushd.model.user import User

log = logging.getLogger(__name__)

_CHANGES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
_LOOKS = frozenset({"/filters/apps"})  # a POST that only asks


def is_deed(method: str, path: str) -> bool:
    """Whether a call of this route of the table changes something."""
    return method in _CHANGES and path not in _LOOKS


async def audited(
    request: web.Request,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    *,
    action: str,
    source: str,
    user: User,
    app: App | None,
) -> web.StreamResponse:
    """What `handler` answers, with both entries written. A full disk keeps nobody from what makes room: our log has it then."""
    audit = request.app[STORE].audit
    details: dict[str, Any] = {}
    request[DETAILS] = details
    try:
        seq = await audit.begin(user, action=action, source=source, app=app)
    except DiskFull:
        said = {"user": user.email, "action": action, "app": app.name if app else "", "source": source}
        log.warning("not in the audit trail: the disk is full", extra=said)
        return await handler(request)
    try:
        answer = await handler(request)
    except PushdError as error:
        await _end(request, seq, f"refused: {error.message}", details)
        raise
    except Exception:  # not what ends us: then nobody can tell how far it came, and the entry has no end
        await _end(request, seq, "failed: internal error", details)
        raise
    await _end(request, seq, DONE if answer.status < 400 else f"refused: {answer.status}", details)
    return answer


def note(request: web.Request, details: Mapping[str, Any]) -> None:
    """Keep this for the entry too, or instead of what stands there under these names. No secrets: it stays for ever."""
    if (kept := request.get(DETAILS)) is not None:
        kept.update(details)


async def _end(request: web.Request, seq: int, outcome: str, details: Mapping[str, Any]) -> None:
    try:
        await request.app[STORE].audit.end(seq, outcome, details)
    except PushdError as error:  # it has happened: the entry of its beginning stands
        log.warning("end not in the audit trail", extra={"entry": seq, "because": error.message})
