"""The two services that git asks for, and who may have them, and for how long: one rule for every transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from pushd.access.actions import Action
from pushd.errors import Forbidden, NotFound, Unavailable
from pushd.kit.aio import guarded
from pushd.model.app import App
from pushd.model.user import User
from pushd.receiver.pktline import Read
from pushd.receiver.receiver import Receiver

T = TypeVar("T")
RECEIVE, UPLOAD = "git-receive-pack", "git-upload-pack"
SILENCE_SECONDS = 600.0  # of a client in the middle of what it sends
_ACTIONS: Mapping[str, Action] = MappingProxyType({RECEIVE: Action.PUSH, UPLOAD: Action.FETCH})
SERVICES = frozenset(_ACTIONS)


async def fetching(receiver: Receiver, user: User, app: App, read: Read, fetch: Callable[[Read], Coroutine[Any, Any, T]]) -> T:
    """What `fetch` gives with a `read` that asks again behind each piece; it ends when `user` may fetch no more.

    Raises: what the door says to such a user; whatever `fetch` raises.
    """

    async def read_on() -> bytes:
        data = await read()
        await receiver.check_still(user, Action.FETCH, app)
        return data

    async def lost(event: asyncio.Event) -> None:
        await event.wait()
        await receiver.check_still(user, Action.FETCH, app)
        raise Unavailable("Who may fetch this app has changed.", remedy="Try again.")

    with receiver.standing.watch(user, Action.FETCH, app.id) as event:
        return await guarded(fetch(read_on), lost(event))


async def find_app(receiver: Receiver, user: User, service: str, name: str, *, source: str) -> App:
    """The app, with or without its `.git`, if `user` may have this service of it; `source`: the address that they come from.

    Raises: NotFound, and Forbidden: a push stands in the audit trail then.
    """
    try:
        app = await receiver.apps.find(name.removesuffix(".git"))
        receiver.access.check(user, _ACTIONS[service], app)
    except NotFound as error:
        raise NotFound("Couldn't find that app.", remedy="`pushd apps` lists yours; `pushd create` makes one.") from error
    except Forbidden as error:
        if service == RECEIVE:
            await receiver.note_refused(app, user, error, source=source)
        raise
    return app
