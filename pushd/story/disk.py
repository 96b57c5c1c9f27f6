"""Refuse work early when the disk is nearly full, and end the work that fills it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from pushd.errors import DiskFull
from pushd.kit.disk import Room, room_of

_FASTEST_BYTES = 4_000_000_000.0  # what a build may write in a second, as far as we know disks
_SHORTEST_SECONDS = 0.02
_LONGEST_SECONDS = 1.0


class DiskReserve:
    """Keeps some room free: what would start new work asks `check()` first, and what may take much is done in `guarded()`."""

    def __init__(
        self, folder: Path, reserve_bytes: int, reserve_files: int = 0, *, look: Callable[[Path], Room] = room_of
    ) -> None:
        self._folder = folder
        self.reserve_bytes = reserve_bytes
        self._reserve_files = reserve_files
        self._look = look

    def room(self) -> Room:
        """What is left now."""
        return self._look(self._folder)

    def check(self) -> None:
        """Raises: DiskFull with the figures when less than the reserve is free."""
        if lack := self._lack(self.room()):
            raise DiskFull(
                f"The disk of {self._folder} is full: {lack}.",
                remedy="Make room, then try again; nothing was changed. `pushd df` shows what each app takes; scaling down, "
                "a lower log-limit-mb and apps:destroy work all the same. The server's disk_reserve_bytes and "
                "disk_reserve_files say what must be free.",
            )

    @asynccontextmanager
    async def guarded(self) -> AsyncIterator[None]:
        """The block is cancelled as soon as less than the reserve is free. Raises: DiskFull, then or at once.

        Whatever fills the disk: all that is guarded at that moment ends, so that apps, the log and the store have the rest.
        """
        self.check()
        loop = asyncio.get_running_loop()
        lack, next_look = "", loop.call_soon(lambda: None)

        def look() -> None:
            nonlocal lack, next_look
            room = self.room()
            lack = self._lack(room)
            if lack:
                deadline.reschedule(loop.time())
            else:
                next_look = loop.call_later(pause_seconds(room.free_bytes - self.reserve_bytes), look)

        try:
            async with asyncio.timeout(None) as deadline:
                look()
                try:
                    yield
                finally:
                    next_look.cancel()
        except TimeoutError:
            if not lack:
                raise
            raise DiskFull(
                f"The build was stopped: the disk of the server is nearly full ({lack}).",
                remedy="Have the operator make room (`pushd df` shows what each app takes), then push again.",
            ) from None

    def _lack(self, room: Room) -> str:
        return room.lack(reserve_bytes=self.reserve_bytes, reserve_files=self._reserve_files)


def pause_seconds(spare_bytes: int) -> float:
    """How long one need not look: the time in which a fast disk could take so much."""
    return min(_LONGEST_SECONDS, max(_SHORTEST_SECONDS, spare_bytes / _FASTEST_BYTES))
