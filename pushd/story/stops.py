"""Cancelling a build: which ones are under way, and when that is still possible."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

from pushd.errors import Conflict, PushdError, Unavailable

_STOP_SECONDS = 50.0  # a build's programs get TERM and then KILL, and its folder is cleared


class BuildCancelled(PushdError):
    """Somebody cancelled the build; the old version serves on (HTTP 422)."""

    id, status = "build_cancelled", 422


@dataclass(slots=True)
class _Build:
    app_id: UUID
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    working: asyncio.Task[object] | None = None  # what a stop cancels; None while nothing may be stopped
    stopped: bool = False


class BuildStops:
    """Knows the builds under way in this process."""

    def __init__(self) -> None:
        self._builds: dict[UUID, _Build] = {}

    @contextmanager
    def known(self, build_id: UUID, app_id: UUID) -> Iterator[None]:
        """Within it the build is under way; its end is told to whoever stops it."""
        build = self._builds[build_id] = _Build(app_id)
        try:
            yield
        finally:
            del self._builds[build_id]
            build.ended.set()

    @contextmanager
    def allowed(self, build_id: UUID) -> Iterator[None]:
        """Within it a stop cancels this task, and what comes out is BuildCancelled; the task itself goes on."""
        build, task = self._builds[build_id], asyncio.current_task()
        assert task is not None
        build.working = task
        before = task.cancelling()
        try:
            yield
        except asyncio.CancelledError:
            if build.stopped and task.uncancel() <= before:
                raise BuildCancelled("cancelled", remedy="Push again, or build again, to deploy it after all.") from None
            raise  # the daemon stops
        finally:
            build.working = None

    async def stop_all(self, app_id: UUID) -> None:
        """Cancel all builds of an app for which it is not too late; the newest first, so that none that waits begins."""
        for build_id in [each for each, build in reversed(self._builds.items()) if build.app_id == app_id]:
            with suppress(Conflict, Unavailable):
                await self.stop(build_id)

    async def stop(self, build_id: UUID) -> None:
        """Cancel the build, and return once its end is stored.

        Raises: Conflict when it is too late for that; Unavailable if it has not ended within 50 seconds, and will later.
        """
        build = self._builds.get(build_id)
        if build is None:
            raise Conflict("This build has ended, so it cannot be cancelled.", remedy="`pushd builds` shows how it ended.")
        if not build.stopped:
            if build.working is None:
                raise Conflict(
                    "This build is done and its release is under way, so it cannot be cancelled.",
                    remedy="When it is live: `pushd rollback`.",
                )
            build.stopped = True
            build.working.cancel()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await build.ended.wait()
        except TimeoutError:
            raise Unavailable(
                "The build was told to stop and has not ended yet.", remedy="`pushd builds` shows when it has."
            ) from None
