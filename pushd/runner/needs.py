"""What the runner needs of other rooms, one Protocol each; `daemon.py` passes the real ones in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

from pushd.model.dyno import DynoRow
from pushd.model.launch import Launch
from pushd.model.routing import Target, WebState

Say = Callable[[str], None]
OnReady = Callable[[Launch], Awaitable[None]]
LaunchOf = Callable[[UUID, UUID], Awaitable[Launch | None]]  # app, release -> what it takes to run it, if both are there


class Traffic(Protocol):
    """The router, as the runner sees it."""

    async def route(self, app_id: UUID, targets: Sequence[Target], state: WebState, *, within: float | None = None) -> None:
        """Send an app's visitors to these targets; returns once the router has acknowledged it.

        Raises: Unavailable when it has not `within` so many seconds; visitors stay where they are then.
        """

    async def drained(self, dyno_id: UUID) -> None:
        """Return when a target that left the table has answered its last request, or its drain time is over."""


class Pipe(Protocol):
    """The reader of one dyno's FIFO."""

    async def finish(self) -> None:
        """Read what is left to the end and close; call it after the dyno's exit. Safe to call again."""

    def last_lines(self, count: int) -> list[str]:
        """The newest lines of this very dyno, oldest first."""


class LogPipes(Protocol):
    """The logplex, as the runner sees it."""

    def open(
        self, app_id: UUID, process: str, dyno_id: UUID, fifo: Path, *, copy: Callable[[bytes], None] | None = None
    ) -> Pipe:
        """Start to read a dyno's output into the app's log; `copy` gets the same bytes, all before `finish` returns."""

    def say(self, app_id: UUID, source: str, process: str, message: str) -> None:
        """Add a line of the platform's own; never waits."""


class DynoStore(Protocol):
    """Where started processes are remembered, so that the next daemon finds them."""

    async def put(self, row: DynoRow) -> None: ...

    async def set_ready(self, dyno_id: UUID, at: datetime) -> None: ...

    async def set_leaving(self, dyno_id: UUID, at: datetime) -> None: ...

    async def remove(self, dyno_id: UUID) -> None: ...

    async def list(self) -> Sequence[DynoRow]: ...
