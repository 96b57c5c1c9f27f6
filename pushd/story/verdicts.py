"""How things ended, stored even when the disk is full at that moment: what has happened cannot be refused."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pushd.errors import DiskFull, PushdError
from pushd.kit.aio import Nursery
from pushd.kit.clock import Clock
from pushd.kit.disk import is_full

log = logging.getLogger(__name__)
T = TypeVar("T")

PAUSE_SECONDS = 1.0


class Verdicts:
    """Writes to the store that follow what has happened already: a release went live or did not, a change is settled.

    A daemon that dies before there is room again leaves them pending; `resume.py` settles those.
    """

    def __init__(self, nursery: Nursery, clock: Clock) -> None:
        self._nursery = nursery
        self._clock = clock

    async def store(self, write: Callable[[], Awaitable[T]], *, what: str) -> T | None:
        """What `write()` gives; None if the disk is full, and then it is tried again until there is room."""
        try:
            return await write()
        except DiskFull:
            log.warning("not stored yet: the disk is full", extra={"what": what})
            self._nursery.start(self._again(write), name=f"store {what}")
            return None

    async def _again(self, write: Callable[[], Awaitable[T]]) -> None:
        while True:
            await self._clock.sleep(PAUSE_SECONDS)
            try:
                await write()
                return
            except DiskFull:
                continue


def reason_of(error: BaseException) -> str:
    """What a record says of a failure, in a line; a bug of ours stands in the daemon's log."""
    if isinstance(error, PushdError):
        return error.message
    return "The disk of the server is full." if is_full(error) else "internal error, see the daemon's log"
