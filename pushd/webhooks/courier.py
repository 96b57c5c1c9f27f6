"""Carries what is due to the URLs that listen: in order of its coming for each webhook, and for all of them at once.

The store holds every delivery until it has ended, so a daemon that is killed forgets none. One that was killed between the
receiver's answer and its record delivers again: receivers know an event by its id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from datetime import datetime
from types import TracebackType
from typing import Protocol
from uuid import UUID, uuid4

import aiohttp

from pushd.errors import PushdError
from pushd.kit.aio import Nursery, first
from pushd.kit.clock import Clock
from pushd.kit.outward import check_literal, outward
from pushd.kit.reach import OutOfReach, Reach
from pushd.model.webhook import Attempt, Delivery, DeliveryStatus
from pushd.store.webhook_events import Due
from pushd.webhooks.message import body_of, headers_of
from pushd.webhooks.plan import plan_next

log = logging.getLogger(__name__)

_WITHIN_SECONDS = 10.0  # for one attempt, all in all
_AT_ONCE = 16  # attempts; those that wait for their turn lose nothing of their time
_LOOK_AGAIN_SECONDS = 600.0  # if nothing is written meanwhile
_PAUSE_SECONDS = 5.0  # before what went wrong on our side is done again


class Events(Protocol):
    """What we need of the store."""

    async def due(self, now: datetime, *, busy: Collection[UUID]) -> list[Due]: ...

    async def next_due(self, *, busy: Collection[UUID]) -> datetime | None: ...

    async def record(
        self, delivery: Delivery, attempt: Attempt, status: DeliveryStatus, next_attempt_at: datetime | None
    ) -> None: ...


class Courier:
    """An async context manager: delivers from its start to its end, within `reach`.

    `on_write` tells of every change to the store.
    """

    def __init__(
        self, events: Events, on_write: Callable[[Callable[[], None]], Callable[[], None]], clock: Clock, reach: Reach
    ) -> None:
        self._events = events
        self._reach = reach
        self._on_write = on_write
        self._clock = clock
        self._nursery = Nursery("webhooks")
        self._news = asyncio.Event()
        self._busy: set[UUID] = set()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def __aenter__(self) -> Courier:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_WITHIN_SECONDS),
            connector=outward(self._reach, limit=0, keep=False),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._unsubscribe = self._on_write(self._news.set)
        self._nursery.keep(self._run, name="courier")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unsubscribe()
        await self._nursery.close()
        await self._session.close()

    async def _run(self) -> None:
        while True:
            self._news.clear()
            for due in await self._events.due(self._clock.now(), busy=self._busy):
                self._busy.add(due.delivery.webhook_id)
                self._nursery.start(self._deliver(due), name=f"delivery {due.delivery.id}")
            await self._wait()

    async def _wait(self) -> None:
        """Until something was written, a delivery has ended, or the next one is due."""
        at = await self._events.next_due(busy=self._busy)
        seconds = _LOOK_AGAIN_SECONDS if at is None else (at - self._clock.now()).total_seconds()
        await first(self._news.wait(), self._clock.sleep(max(0.0, min(seconds, _LOOK_AGAIN_SECONDS))))

    async def _deliver(self, due: Due) -> None:
        try:
            async with self._turns:
                attempt = await self._attempt(due)
            status, next_attempt_at = plan_next(due.delivery, attempt)
            await self._record(due.delivery, attempt, status, next_attempt_at)
        except Exception:  # a bug of ours, which the nursery logs: it is still due, and must not come back at once
            await self._clock.sleep(_PAUSE_SECONDS)
            raise
        finally:
            self._busy.discard(due.delivery.webhook_id)
            self._news.set()

    async def _attempt(self, due: Due) -> Attempt:
        """One POST; its answer's body is not read, and a redirect is no success."""
        attempt_id, code, error = uuid4(), None, None
        body = body_of(due, attempt_id, self._clock.now())
        try:
            check_literal(due.url, self._reach)
            async with self._session.post(due.url, data=body, headers=headers_of(due, body), allow_redirects=False) as answer:
                code = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, OutOfReach) as failure:
            error = type(failure).__name__  # its text may hold the URL
        return Attempt(id=attempt_id, code=code, error=error, at=self._clock.now())

    async def _record(
        self, delivery: Delivery, attempt: Attempt, status: DeliveryStatus, next_attempt_at: datetime | None
    ) -> None:
        """It has happened: a full disk does not undo it. Until there is room the webhook gets nothing new."""
        while True:
            try:
                return await self._events.record(delivery, attempt, status, next_attempt_at)
            except PushdError as error:
                log.warning("delivery not recorded yet", extra={"delivery": str(delivery.id), "cause": error.message})
                await self._clock.sleep(_PAUSE_SECONDS)
