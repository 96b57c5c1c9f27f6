"""How a process that serves comes to its end: a signal asks for it, or a part fails that nothing works without."""

from __future__ import annotations

import asyncio
import logging
import signal

log = logging.getLogger(__name__)


class Ending:
    """The first reason counts; what comes later changes nothing."""

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self.failed = False
        self._decided = asyncio.Event()

    @property
    def is_decided(self) -> bool:
        """Whether there is a reason yet."""
        return self._decided.is_set()

    def listen(self) -> None:
        """Take SIGINT, SIGTERM and SIGHUP from now on; a SIGHUP that `nohup` has us ignore stays ignored."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            asyncio.get_running_loop().add_signal_handler(number, self.ask, number)

    def ask(self, number: signal.Signals) -> None:
        """Somebody wants it."""
        if not self.is_decided:
            log.info("stopping", extra={"signal": number.name})
            self.asked = number
            self._decided.set()

    def fail(self, part: str, error: Exception) -> None:
        """The part cannot do its work any more, and no call of it will mend that: better begin anew."""
        if not self.is_decided:
            log.critical("ending, for a part has failed without which nothing works", extra={"part": part, "cause": error})
            self.failed = True
            self._decided.set()

    async def wait(self) -> None:
        """Return once there is a reason."""
        await self._decided.wait()
