"""What the daemon's end of the router has read of each app beside its targets, and what is still to be fetched for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol
from uuid import UUID

from pushd.model.routing import Route

log = logging.getLogger(__name__)

_FETCHES_AT_ONCE = 16  # apps whose pages are fetched; each takes at most 5 s


class RouteSource(Protocol):
    """What the router must know of an app beside its targets."""

    async def route_of(self, app_id: UUID, *, fetch: bool = True) -> Route:
        """The app's route; its targets and state are ours to fill in. Raises: NotFound.

        Without `fetch` nothing is asked of the network: pages that come from there are left out.
        """


class Routes:
    """Routes by app, without targets. One read of an app's route at a time: an older one must not win."""

    def __init__(self, source: RouteSource) -> None:
        self.of: dict[UUID, Route] = {}
        self._source = source
        self._reads: dict[UUID, asyncio.Lock] = {}

    async def read(self, app_id: UUID, *, fetch: bool = True) -> None:
        """Read an app's route anew. Raises: NotFound."""
        async with self._reads.setdefault(app_id, asyncio.Lock()):
            self.of[app_id] = await self._source.route_of(app_id, fetch=fetch)

    async def read_all(self, app_ids: Iterable[UUID]) -> None:
        """Read these without what comes over the network; one that cannot be read stays as it is."""
        await asyncio.gather(*(self._read_or_log(app_id, fetch=False) for app_id in app_ids))

    async def fetch_all(
        self, app_ids: Sequence[UUID], *, is_wanted: Callable[[UUID], bool], on_change: Callable[[], object]
    ) -> None:
        """Read these again, a few at a time, now with what comes over the network; what is wanted no longer is left out."""
        few = asyncio.Semaphore(_FETCHES_AT_ONCE)

        async def fetch(app_id: UUID) -> None:
            async with few:
                before = self.of.get(app_id)
                await self._read_or_log(app_id, fetch=True)
            if not is_wanted(app_id):
                self.forget(app_id)
            elif self.of.get(app_id) != before:
                on_change()

        await asyncio.gather(*map(fetch, app_ids))

    def forget(self, app_id: UUID) -> None:
        """Fine if it is not known."""
        self.of.pop(app_id, None)
        self._reads.pop(app_id, None)

    async def _read_or_log(self, app_id: UUID, *, fetch: bool) -> None:
        try:
            await self.read(app_id, fetch=fetch)
        except Exception:
            log.exception("route not read", extra={"app_id": str(app_id)})  # stays with that app
