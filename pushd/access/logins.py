"""Logins that a program has begun and a person ends in a browser: the program waits, the person shows a token there.

Nothing is stored: a daemon that starts anew knows none, and the person begins again.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from dataclasses import dataclass, field

from pushd.errors import NotFound
from pushd.kit.addresses import source_of
from pushd.kit.aio import first
from pushd.kit.clock import Clock
from pushd.kit.crowd import plan_room
from pushd.model.user import User

VALID_SECONDS = 600.0  # as long as the Heroku CLI waits
_WAITING_AT_MOST = 100
_WAITING_PER_SOURCE = 10
_ATTEMPTS = 10  # wrong tokens, then it is over


@dataclass(slots=True)
class Login:
    """One of them. `page_id` opens the page, `poll_id` with `poll_secret` gets what comes of it; none leads to another."""

    description: str
    asked_from: str  # the address of the program, for the person to recognise
    ends_at: float
    page_id: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    poll_id: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    poll_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    attempts: int = 0
    user: User | None = None
    answered: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    asked_again: asyncio.Event = field(default_factory=asyncio.Event, repr=False)  # of who asks for it now


class Logins:
    """All that wait. Bounded in number and time; each is of use once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: list[Login] = []

    def begin(self, description: str, asked_from: str) -> Login:
        """A new one. It ends an older one where too many wait: of its own source, or of the one that has most."""
        self._forget_old()
        sources = {each.poll_id: source_of(each.asked_from) for each in self._waiting}
        crowded = plan_room(sources, source_of(asked_from), at_most=_WAITING_AT_MOST, per_source=_WAITING_PER_SOURCE)
        for each in [each for each in self._waiting if each.poll_id == crowded]:
            self._end(each)
        login = Login(description, asked_from, self._clock.monotonic() + VALID_SECONDS)
        self._waiting.append(login)
        return login

    def find_page(self, page_id: str) -> Login:
        """The one whose page this is, not answered yet. Raises: NotFound."""
        self._forget_old()
        for login in self._waiting:
            if login.user is None and _same(login.page_id, page_id):
                return login
        raise _over()

    def find_poll(self, poll_id: str, poll_secret: str) -> Login:
        """The one whose program asks. Raises: NotFound."""
        self._forget_old()
        for login in self._waiting:
            if _same(login.poll_id, poll_id) and _same(login.poll_secret, poll_secret):
                return login
        raise _over()

    def refuse(self, login: Login) -> None:
        """The person showed a token that is none; too many of these end it."""
        login.attempts += 1
        if login.attempts >= _ATTEMPTS:
            self._end(login)

    def confirm(self, login: Login, user: User) -> None:
        """The person has shown who they are."""
        login.user = user
        login.answered.set()

    def ask(self, login: Login) -> asyncio.Event:
        """Its program asks from now on, until this event: one does at a time, or a stranger could hold any number open."""
        login.asked_again.set()
        login.asked_again = asyncio.Event()
        return login.asked_again

    async def wait(self, login: Login, within: float, *, until: asyncio.Event) -> bool:
        """Whether it is over, at once or within so many seconds: confirmed, ended, too old, or somebody else asks now."""
        left = max(0.0, login.ends_at - self._clock.monotonic())
        if await first(login.answered.wait(), until.wait(), self._clock.sleep(min(within, left))) < 2:
            return True
        self._forget_old()
        return login not in self._waiting

    def take(self, login: Login) -> User | None:
        """The user who confirmed it, given once: it is of no more use then. None if nobody did, or it was taken."""
        user = login.user if login in self._waiting else None
        self._end(login)
        return user

    def _end(self, login: Login) -> None:
        if login in self._waiting:
            self._waiting.remove(login)
        login.answered.set()

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        for login in [each for each in self._waiting if each.ends_at <= now]:
            self._end(login)


def _same(known: str, given: str) -> bool:
    return hmac.compare_digest(known.encode(), given.encode("utf-8", "surrogatepass"))


def _over() -> NotFound:
    return NotFound(
        "This login is over, or never was.", resource="login", remedy="Begin again in the terminal; it holds for 10 minutes."
    )
