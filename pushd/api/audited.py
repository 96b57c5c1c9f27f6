"""What changes something leaves an entry in the audit trail: before it is done, and how it ended."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from pushd.api.needs import DETAILS, STORE
from pushd.errors import DiskFull, PushdError
from pushd.model.app import App
from pushd.model.deed import DONE
from pushd.model.user import User
from pushd.store.audit import Audit

log = logging.getLogger(__name__)

_CHANGES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
_LOOKS = frozenset({"/filters/apps"})  # a POST that only asks
# What of a path may stand there as it was sent. Others are secrets or may be mistaken for one (a drain is named by its URL, a
# token is tried as the id of its authorization): their handlers note what they mean.
_NAMES = frozenset({
    "build", "collaborator", "coupling", "domain", "dyno", "feature", "key", "pipeline", "sni_endpoint", "type", "user",
    "webhook",
})  # fmt: skip


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
    async with entry(request, action=action, source=source, user=user, app=app) as written:
        answer = await handler(request)
        if answer.status >= 400:
            written.outcome = f"refused: {answer.status}"
        return answer


@asynccontextmanager
async def entry(request: web.Request, *, action: str, source: str, user: User, app: App | None = None) -> AsyncIterator[Entry]:
    """Both entries around what is done in it."""
    details = request[DETAILS] = {}
    note(request, {name: text for name, text in request.match_info.items() if name in _NAMES})
    written = request[_ENTRY] = Entry(request.app[STORE].audit, user, action, source)
    await written.begin(app)
    try:
        yield written
    except PushdError as error:
        await written.end(f"refused: {error.message}", details)
        raise
    except Exception:  # not what ends us: then nobody can tell how far it came, and the entry has no end
        await written.end("failed: internal error", details)
        raise
    await written.end(written.outcome, details)


async def also_under(request: web.Request, app: App) -> None:
    """Have it stand under this app too, which no path names. For the handler, before it is done, or once the app is there."""
    if (written := request.get(_ENTRY)) is not None:
        await written.begin(app)


def note(request: web.Request, details: Mapping[str, Any]) -> None:
    """Keep this for the entry too, or instead of what stands there under these names. No secrets: it stays for ever."""
    if (kept := request.get(DETAILS)) is not None:
        kept.update(details)


class Entry:
    """What one call leaves: the same for each app that it is about, and one for none where no path names it."""

    def __init__(self, audit: Audit, user: User, action: str, source: str) -> None:
        self.outcome = DONE
        self._audit = audit
        self._user = user
        self._action = action
        self._source = source
        self._begun: list[int] = []

    async def begin(self, app: App | None) -> None:
        try:
            self._begun.append(await self._audit.begin(self._user, action=self._action, source=self._source, app=app))
        except DiskFull:
            said = {"user": self._user.email, "action": self._action, "app": app.name if app else "", "source": self._source}
            log.warning("not in the audit trail: the disk is full", extra=said)

    async def end(self, outcome: str, details: Mapping[str, Any]) -> None:
        for seq in self._begun:
            try:
                await self._audit.end(seq, outcome, details)
            except PushdError as error:  # it has happened: the entry of its beginning stands
                log.warning("end not in the audit trail", extra={"entry": seq, "because": error.message})


_ENTRY = web.RequestKey("entry", Entry)
