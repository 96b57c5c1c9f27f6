"""Who is at the door, and whether to let them in."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol
from uuid import UUID

from pushd.access.actions import Action, Thing, may
from pushd.access.passwords import Passwords
from pushd.access.sessions import Sessions
from pushd.access.slowdown import Slowdown
from pushd.errors import Forbidden, NotFound, Unauthorized
from pushd.kit.clock import SystemClock
from pushd.model.app import App
from pushd.model.user import EVERYTHING, User

TOKEN_LIMIT = 1024  # characters; anything longer is none of ours and is not even hashed


class Users(Protocol):
    """What access needs of `store.users`."""

    async def by_token(self, token: str) -> User | None:
        """Whose token this is, compared in constant time."""

    async def by_token_hash(self, wanted: bytes) -> User | None:
        """The same for who came with it a while ago."""

    async def maybe_by_id(self, user_id: str | UUID) -> User | None: ...

    async def password_of(self, email: str) -> tuple[User | None, str | None]:
        """The user of that address, and what is stored of their password."""


class Access:
    """The one place that every door asks; log-ins that fail are slowed down here and nowhere else."""

    def __init__(self, users: Users, *, slowdown: Slowdown | None = None, sessions: Sessions | None = None) -> None:
        """`sessions`: their tokens open what their keys do."""
        self._users = users
        self._slowdown = slowdown or Slowdown(SystemClock())
        self._sessions = sessions
        self._passwords = Passwords()

    async def authenticate(
        self, secret: str | None, *, source: str = "", email: str = "", takes_password: bool = False
    ) -> User | None:
        """Whose token this is, with an `email` only if it is theirs; where a door takes passwords, whose password.

        None for no secret, and for a wrong one: that takes a while, the longer the more often it happens at this `source` or
        to this account. Raises: TooManyAttempts where a crowd of one source tries some, also for a right password.
        """
        if not secret:
            return None
        user = await self._by_token(secret) if len(secret) <= TOKEN_LIMIT else None
        if user is not None and email and user.email.casefold() != email.casefold():
            user = None
        if user is None and email and takes_password:
            user, stored = await self._users.password_of(email)
            is_right = await self._passwords.is_right(secret, stored, source=source, account=email)
            user = replace(user, password_hash=stored) if user is not None and is_right else None
        if user is None:
            await self._slowdown.failed(source, email)
        return user

    async def refuse(self, source: str) -> None:
        """Somebody guessed at a secret that is none of a user's: return when they have waited. Raises: TooManyAttempts."""
        await self._slowdown.failed(source)

    async def hashed(self, password: str, *, source: str) -> str:
        """What the store is to keep of a new password. Raises: TooManyAttempts."""
        return await self._passwords.hashed(password, source=source)

    async def again(self, user: User) -> User | None:
        """The same user as they are now, by what they came with; None if either is gone."""
        if user.token_hash is not None:
            return await self.by_token_hash(user.token_hash)
        if user.password_hash is not None:
            found, stored = await self._users.password_of(user.email)
            is_same = found is not None and found.id == user.id and stored == user.password_hash
            return replace(found, password_hash=stored) if found is not None and is_same else None
        return await self._users.maybe_by_id(user.id)

    async def by_token_hash(self, wanted: bytes) -> User | None:
        """Who has the token of this hash, and how far it reaches now; None once it has ended."""
        session = None if self._sessions is None else await self._sessions.by_token_hash(wanted)
        return session or await self._users.by_token_hash(wanted)

    async def _by_token(self, token: str) -> User | None:
        session = None if self._sessions is None else await self._sessions.by_token(token)
        return session or await self._users.by_token(token)

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
