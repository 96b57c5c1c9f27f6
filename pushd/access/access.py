"""Who is at the door, and whether to let them in."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from pushd.access.actions import Action, may
from pushd.errors import Forbidden, NotFound, Unauthorized
from pushd.model.app import App
from pushd.model.user import EVERYTHING, User

TOKEN_LIMIT = 1024  # characters; anything longer is none of ours and is not even hashed


class Users(Protocol):
    """What access needs of `store.users`."""

    async def by_token(self, token: str) -> User | None:
        """Whose token this is, compared in constant time."""


class Access:
    """The one place that every door asks; failed log-ins pass through `authenticate` alone."""

    def __init__(self, users: Users) -> None:
        self._users = users

    async def authenticate(self, token: str | None) -> User | None:
        """Whose token this is; None for none, an unknown or an expired one."""
        if not token or len(token) > TOKEN_LIMIT:
            return None
        return await self._users.by_token(token)

    def check(self, user: User | None, action: Action, app: App | None = None) -> None:
        """Return if `user` may do `action`.

        Raises: Unauthorized without a user; NotFound for an app that the user may not even see, in the words used for one
        that is not there; else Forbidden, which tells whether the token is what stands against it.
        """
        if may(user, action, app):
            return
        if user is None:
            raise Unauthorized("Invalid credentials provided.", remedy="Run `pushd login`, or set PUSHD_API_KEY.")
        unlimited = replace(user, scopes=EVERYTHING)
        if app is not None and not may(unlimited, Action.APP_VIEW, app):
            raise NotFound("Couldn't find that app.", resource="app", remedy="`pushd apps` lists those you may see.")
        if may(unlimited, action, app):
            raise Forbidden(
                f"The scope of your token ({', '.join(sorted(user.scopes))}) does not let you {action}.",
                remedy="Make a token that reaches further: `pushd authorizations:create --scope global`.",
            )
        raise Forbidden(f"You may not {action}.", remedy="Ask the operator of this server.")
