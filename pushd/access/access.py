"""Who is at the door, and whether to let them in."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from pushd.access.actions import Action, Thing, may
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

    def check(self, user: User | None, action: Action, thing: Thing | None = None) -> None:
        """Return if `user` may do `action`.

        Raises: Unauthorized without a user; NotFound for an app that the user may not even see, in the words used for one
        that is not there; else Forbidden, which tells whether the token is what stands against it.
        """
        if may(user, action, thing):
            return
        if user is None:
            raise Unauthorized("Invalid credentials provided.", remedy="Run `pushd login`, or set PUSHD_API_KEY.")
        whole = replace(user, scopes=EVERYTHING)  # a token of another app alone does not even see this one
        if isinstance(thing, App) and not may(whole, Action.APP_VIEW, thing):
            raise NotFound("Couldn't find that app.", resource="app", remedy="`pushd apps` lists those you may see.")
        if may(whole, action, thing):
            raise Forbidden(
                f"The scope of your token ({', '.join(sorted(user.scopes))}) does not let you {action}.",
                remedy="Make a token that reaches further: `pushd authorizations:create --scope global`.",
            )
        if may(replace(whole, only_app_id=None), action, thing):
            raise Forbidden(
                f"Your token reaches one app alone, and does not let you {action}.",
                remedy="Make a token that reaches further: `pushd authorizations:create`.",
            )
        raise Forbidden(f"You may not {action}.", remedy="Ask an admin of this server.")
