"""The platform's own lines: said at once, written soon and in batches by one task."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from pushd.kit.clock import Clock
from pushd.logplex.lines import chunks
from pushd.model.logline import LINE_LIMIT_BYTES, PLATFORM

log = logging.getLogger(__name__)

_WAITING_LINES = 10_000  # per app; then the oldest are dropped
_RETRY_SECONDS = 0.5  # while a disk is full
_TELL_SECONDS = 1.0  # between two lines that tell of lost ones: a flood loses some at every turn

Append = Callable[[UUID, Sequence[bytes]], Awaitable[None]]


@dataclass(slots=True)
class _Waiting:
    """What waits for one app."""

    lines: deque[bytes] = field(default_factory=deque)
    lost: int = 0  # lines that were dropped, said or from pipes, until a line can tell
    lost_since: datetime | None = None
    refused: bool = False  # by a full disk, at the last try


class PlatformLines:
    """`append` writes lines of one app, all or none; it raises OSError when the disk is full, and is then asked again."""

    def __init__(self, append: Append, clock: Clock) -> None:
        self._append = append
        self._clock = clock
        self._waiting: dict[UUID, _Waiting] = {}
        self._told_at: dict[UUID, float] = {}  # when the last loss of an app was told
        self._flushes = 0  # under way: they make it tell at once
        self._work = asyncio.Event()
        self._rounds = 0
        self._round_over = asyncio.Condition()

    def say(self, app_id: UUID, source: str, process: str, message: str) -> None:
        """Add lines; never waits."""
        head = f"{source}\t{process}\t".encode()
        waiting = self._waiting.setdefault(app_id, _Waiting())
        for line in message.splitlines() or [""]:
            for part in chunks(line.encode("utf-8", "replace"), LINE_LIMIT_BYTES - len(head)):
                if len(waiting.lines) >= _WAITING_LINES:
                    waiting.lines.popleft()
                    self.lose(app_id, 1)
                waiting.lines.append(head + part)
        self._work.set()

    def lose(self, app_id: UUID, count: int) -> None:
        """Lines of the app had to be dropped; an L12 line tells as soon as there is room for it, one a second at most."""
        waiting = self._waiting.setdefault(app_id, _Waiting())
        waiting.lost += count
        waiting.lost_since = waiting.lost_since or self._clock.now()
        self._work.set()

    def forget(self, app_id: UUID) -> None:
        """Say nothing more of this app."""
        self._waiting.pop(app_id, None)
        self._told_at.pop(app_id, None)

    async def flush(self) -> None:
        """Return once everything said so far is written, or was refused by the disk."""
        if self._waiting:
            self._work.set()
            wanted = self._rounds + 2  # the round under way may have passed an app already
            self._flushes += 1
            try:
                async with self._round_over:
                    await self._round_over.wait_for(lambda: self._rounds >= wanted or not self._waiting)
            finally:
                self._flushes -= 1

    async def run(self) -> None:
        """Write what is said, for ever."""
        while True:
            if not self._waiting:
                self._work.clear()
                await self._work.wait()
            left = False
            for app_id in list(self._waiting):
                if app_id in self._waiting:
                    left = not await self._write(app_id) or left
            async with self._round_over:
                self._rounds += 1
                self._round_over.notify_all()
            if left:
                self._work.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_RETRY_SECONDS):
                        await self._work.wait()

    async def _write(self, app_id: UUID) -> bool:
        """All that waits for one app now; False if something waits on: the disk refused it, or it is not its time."""
        waiting, now = self._waiting[app_id], self._clock.monotonic()
        due = self._flushes > 0 or now - self._told_at.get(app_id, -_TELL_SECONDS) >= _TELL_SECONDS
        loss = [_loss(waiting.lost, waiting.lost_since)] if due and waiting.lost_since else []
        batch, told = list(waiting.lines), waiting.lost if loss else 0
        if not loss and not batch:
            return False
        waiting.lines.clear()
        try:
            await self._append(app_id, [*loss, *batch])
        except OSError as error:
            if not waiting.refused:
                log.warning("log lines wait for room on the disk", extra={"app": str(app_id), "cause": str(error)})
            waiting.refused = True
            waiting.lines.extendleft(reversed(batch))
            return False
        waiting.refused = False
        if loss:
            waiting.lost -= told
            waiting.lost_since = self._clock.now() if waiting.lost else None
            self._told_at[app_id] = now
        if not waiting.lines and not waiting.lost and self._waiting.get(app_id) is waiting:
            del self._waiting[app_id]
        return not waiting.lost


def _loss(count: int, since: datetime) -> bytes:
    text = f"Error L12 (Local buffer overflow) -> {count} messages dropped since {since.isoformat(timespec='seconds')}."
    return f"{PLATFORM}\tlogplex\t{text}".encode()
