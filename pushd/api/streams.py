"""Answers that stay open: they end properly when the daemon stops, so that clients reconnect instead of failing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from aiohttp import web

from pushd.errors import Unavailable
from pushd.kit.aio import Nursery, first
from pushd.problems import route_of

T = TypeVar("T")


class Streams:
    """Owns the work behind every open answer; `close()` ends it all, and each handler then finishes its response."""

    def __init__(self) -> None:
        self._nursery = Nursery("streams")
        self._closed = False
        self.open = 0  # answers under way, for the debug page

    async def close(self) -> None:
        """End what is open; later requests are answered 503."""
        self._closed = True
        await self._nursery.close()

    async def wait(self, work: Coroutine[Any, Any, T], *, name: str) -> T:
        """The result of `work`, which raises only by mistake. Raises: Unavailable when the daemon stops first."""
        task = self._start(work, name)
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
        if task.cancelled():
            raise _stopping()
        return task.result()

    async def send(
        self,
        request: web.Request,
        items: AsyncIterator[T],
        encode: Callable[[T], bytes],
        *,
        content_type: str,
        opening: bytes = b"",
        until: asyncio.Event,
    ) -> web.StreamResponse:
        """Answer 200 at once with `opening`, then each item as it comes, `until` then; a client that goes away ends it."""
        response = web.StreamResponse(headers={"Content-Type": content_type, "Cache-Control": "no-cache"})

        async def copy() -> None:
            try:
                async for item in items:
                    await response.write(encode(item))
            except ConnectionResetError:
                return  # the client went away
            finally:
                if (close := getattr(items, "aclose", None)) is not None:
                    await close()

        if self._closed:
            raise _stopping()
        await response.prepare(request)
        if opening:
            await response.write(opening)
        task = self._start(copy(), route_of(request))
        try:
            await first(_end_of(task), until.wait())
        finally:
            task.cancel()
        await _end_of(task)
        if not task.cancelled() and task.exception() is not None:  # a bug, logged by its nursery: no proper end
            if request.transport is not None:
                request.transport.abort()
            return response
        with suppress(ConnectionResetError):  # the client went away
            await response.write_eof()
        return response

    def _start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        if self._closed:
            work.close()
            raise _stopping()
        self.open += 1
        task = self._nursery.start(work, name=name)
        task.add_done_callback(self._on_done)
        return task

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self.open -= 1


async def _end_of(task: asyncio.Task[Any]) -> None:
    """However it ends; to be cancelled here leaves it alone."""
    await asyncio.wait({task})


def _stopping() -> Unavailable:
    return Unavailable("pushd is stopping.", remedy="Try again in a moment.")
