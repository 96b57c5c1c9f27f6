"""The life of a one-off dyno with a client at its other end: it starts when the client comes and ends when the client goes."""

from __future__ import annotations

import signal
from collections.abc import Coroutine
from typing import Any

from pushd.errors import BootFailed
from pushd.kit.aio import first
from pushd.model.dyno import DynoEvent, DynoState
from pushd.runner.attachment import Attachment
from pushd.runner.dyno import Life
from pushd.runner.process import Process

_R16 = "Error R16 (Detached) -> An attached process is not responding to SIGHUP after its external connection was closed."
_HUNG_UP = "Client connection closed. Sending SIGHUP to all processes"
HANG_UPS, HANG_UP_SECONDS = 3, 5.0  # as on Heroku, where R16 follows


class AttachedLife(Life):
    """Waits for its client before it starts anything; its output goes to that client alone."""

    async def run(self) -> None:
        """Live until the program exits, or is ended because its client went away."""
        try:
            await super().run()
        finally:
            self._attachment.end(self.exit_status, self.failure)

    @property
    def _attachment(self) -> Attachment:
        assert self.part.attachment is not None  # what makes it an attached life
        return self.part.attachment

    async def _live(self) -> None:
        """One start, once the client is there."""
        self.tell("Awaiting client")
        within = self.part.attach_within_seconds
        attachment = self._attachment
        outcome = await first(attachment.claimed(), self._stop.wait(), attachment.left(), self._clock.sleep(within))
        if outcome == 0:
            await super()._live()
        elif outcome == 1:
            self._move(DynoEvent.STOP)
            self._move(DynoEvent.EXITED)
            self.tell("State changed from starting to complete")
        else:
            self._not_started(BootFailed("Error R13 (Attach error) -> Failed to attach to process", remedy="Run it again."))

    async def _come_up(self, process: Process) -> None:
        await super()._come_up(process)
        self._attachment.started(process.handle)

    async def _watch(self, process: Process) -> None:
        await super()._watch(process)
        if self.state is DynoState.UP and self._attachment.has_left:
            self.tell(_HUNG_UP)  # by the kernel, when its terminal went: it may be quicker than we are

    async def _time_limit(self) -> None:
        """Also over when its client has gone, when neither side says anything for long, or with the dyno it runs in."""
        works: list[Coroutine[Any, Any, object]] = [super()._time_limit(), self._attachment.left(), self._attachment.idle()]
        if self.part.inside is not None:
            works.append(self.part.inside.handle.wait())
        if await first(*works) == 2:
            self.tell(f"Idle connection: nothing was sent or received for {self._attachment.idle_seconds:g} seconds")
            self._attachment.leave()

    async def _end(self, process: Process) -> None:
        """Without its client: HUP, again and again, then KILL; else as every dyno ends."""
        if not self._attachment.has_left:
            await super()._end(process)
            return
        before = self.state
        self._move(DynoEvent.STOP)
        self.tell(f"State changed from {before.value} to complete")
        for _ in range(HANG_UPS):
            self.tell(_HUNG_UP)
            process.handle.signal(signal.SIGHUP)
            outcome = await first(process.handle.wait(), self._hurry.wait(), self._clock.sleep(HANG_UP_SECONDS))
            if outcome != 2:
                break
        if outcome == 2:
            self.tell(_R16)
        if outcome != 0:
            await self._kill(process)
