"""Who is next where one thing is done at a time: sources take turns, and so do the accounts that one source tries.

So whoever tries a lot waits for themselves: somebody else is behind one try of theirs, however many wait.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from pushd.errors import PushdError
from pushd.kit.addresses import source_of

WAITING_PER_SOURCE = 16

Line = deque[asyncio.Future[None]]


class TooManyAttempts(PushdError):
    """So many log-ins wait from one source that one of them had to make room (HTTP 429)."""

    id, status = "rate_limit", 429

    def __init__(self) -> None:
        super().__init__(
            "Too many log-ins are being tried from your address.", remedy="Try again in a moment, or log in with a token."
        )


class Turns:
    """One turn at a time; each is passed on to who waits next. Nothing is kept of who does not wait."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, OrderedDict[str, Line]] = OrderedDict()  # next ones first
        self._is_taken = False

    @asynccontextmanager
    async def turn(self, address: str, account: str) -> AsyncIterator[None]:
        """The block is the turn. Raises: TooManyAttempts when too many of one source wait, and this one makes room."""
        if self._is_taken:
            await self._wait(source_of(address), account.casefold())
        self._is_taken = True
        try:
            yield
        finally:
            self._pass_on()

    @property
    def waiting(self) -> int:
        return sum(len(line) for lines in self._waiting.values() for line in lines.values())

    async def _wait(self, source: str, account: str) -> None:
        lines = self._waiting.setdefault(source, OrderedDict())
        if (loser := plan_room({name: len(line) for name, line in lines.items()}, account)) == account:
            raise TooManyAttempts()
        if loser is not None:
            gone = lines[loser].pop()
            if not gone.done():  # else it was cancelled in this very moment
                gone.set_exception(TooManyAttempts())
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lines.setdefault(account, deque()).append(mine)
        self._tidy(source)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.cancelled():
                self._forget(source, account, mine)
            elif mine.exception() is None:
                self._pass_on()  # it had just come to us
            raise

    def _pass_on(self) -> None:
        """To the next account of the next source; both go to the end of their rows."""
        self._is_taken = False
        while self._waiting and not self._is_taken:
            source, lines = next(iter(self._waiting.items()))
            account, line = next(iter(lines.items()))
            following = line.popleft()
            self._waiting.move_to_end(source)
            lines.move_to_end(account)
            self._tidy(source)
            if not following.done():  # as above
                following.set_result(None)
                self._is_taken = True

    def _forget(self, source: str, account: str, gone: asyncio.Future[None]) -> None:
        line = self._waiting[source].get(account) if source in self._waiting else None
        if line is not None and gone in line:
            line.remove(gone)
            self._tidy(source)

    def _tidy(self, source: str) -> None:
        lines = self._waiting[source]
        for account in [name for name, line in lines.items() if not line]:
            del lines[account]
        if not lines:
            del self._waiting[source]


def plan_room(waiting: Mapping[str, int], account: str) -> str | None:
    """Which of the accounts that one source tries, and how many wait for each, loses one to make room; None: nobody has to.

    The one with most does, and that is whoever comes if theirs is no smaller.
    """
    if sum(waiting.values()) < WAITING_PER_SOURCE:
        return None
    crowded = max(waiting, key=lambda name: waiting[name])
    return account if waiting.get(account, 0) + 1 >= waiting[crowded] else crowded
