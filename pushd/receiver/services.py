"""The two services that git asks for, and who may have them: one rule for every transport."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pushd.access.actions import Action
from pushd.errors import NotFound
from pushd.model.app import App
from pushd.model.user import User
from pushd.receiver.receiver import Receiver

RECEIVE, UPLOAD = "git-receive-pack", "git-upload-pack"
SILENCE_SECONDS = 600.0  # of a client in the middle of what it sends
_ACTIONS: Mapping[str, Action] = MappingProxyType({RECEIVE: Action.PUSH, UPLOAD: Action.FETCH})
SERVICES = frozenset(_ACTIONS)


async def find_app(receiver: Receiver, user: User, service: str, name: str) -> App:
    """The app, with or without its `.git`, if `user` may have this service of it. Raises: NotFound, Forbidden."""
    try:
        app = await receiver.apps.find(name.removesuffix(".git"))
        receiver.access.check(user, _ACTIONS[service], app)
    except NotFound as error:
        raise NotFound("Couldn't find that app.", remedy="`pushd apps` lists yours; `pushd create` makes one.") from error
    return app
