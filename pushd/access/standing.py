"""Who was let in to stay for a while: tails, output streams and terminals end with the right to be there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from pushd.access.access import Access
from pushd.access.actions import Action, may
from pushd.errors import NotFound
from pushd.kit.aio import Nursery, first
from pushd.kit.clock import Clock
from pushd.model.app import App
from pushd.model.user import User

PAUSE_SECONDS = 0.1  # between two looks, however much is written meanwhile
EXPIRY_SECONDS = 15.0  # tokens end without anything being written


class Apps(Protocol):
    """What standing needs of `store.apps`."""

    async def find(self, name_or_id: str | UUID) -> App: ...


@dataclass(slots=True)
class _Watch:
    """All who stay by one right."""

    user: User
    action: Action
    app_id: UUID
    guests: int = 0
    lost: asyncio.Event = field(default_factory=asyncio.Event)


class Standing:
    """Looks again whenever something was written: whether the user, their token, their access and the app are still there."""

    def __init__(
        self, access: Access, apps: Apps, clock: Clock, on_write: Callable[[Callable[[], None]], Callable[[], None]]
    ) -> None:
        self._access = access
        self._apps = apps
        self._clock = clock
        self._on_write = on_write
        self._written = asyncio.Event()
        self._watches: dict[Hashable, _Watch] = {}
        self._nursery = Nursery("standing")
        self._forget: Callable[[], None] = lambda: None

    def start(self) -> None:
        self._forget = self._on_write(self._written.set)
        self._nursery.keep(self._look_on, name="who may stay")

    async def close(self) -> None:
        self._forget()
        await self._nursery.close()

    async def may_still(self, user: User, action: Action, app_id: UUID) -> bool:
        """Whether `user`, as they and the app are now, may do `action`."""
        current = await self._access.again(user)
        if current is None:
            return False
        try:
            return may(current, action, await self._apps.find(app_id))
        except NotFound:
            return False

    @contextlib.contextmanager
    def watch(self, user: User, action: Action, app_id: UUID) -> Iterator[asyncio.Event]:
        """An event that comes when `user` may no longer do `action` on the app."""
        key = (user.token_hash or user.id, action, app_id)
        watch = self._watches.setdefault(key, _Watch(user, action, app_id))
        watch.guests += 1
        self._written.set()  # something may have been written since the door was passed
        try:
            yield watch.lost
        finally:
            watch.guests -= 1
            if not watch.guests and self._watches.get(key) is watch:
                del self._watches[key]

    async def _look_on(self) -> None:
        while True:
            await (first(self._written.wait(), self._clock.sleep(EXPIRY_SECONDS)) if self._watches else self._written.wait())
            self._written.clear()
            for key, watch in list(self._watches.items()):
                if not await self.may_still(watch.user, watch.action, watch.app_id):
                    watch.lost.set()
                    self._watches.pop(key, None)  # whoever comes with this right again begins anew
            await self._clock.sleep(PAUSE_SECONDS)
