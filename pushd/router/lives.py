"""The dynos behind targets: their ends are seen at once, also while no daemon runs, for then a port may become somebody else's.

What is looked at is the process with which a dyno ends, and not its listening sockets: a living app may close them and open
others.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable

from pushd.kit import procfs
from pushd.kit.procfs import Identity


class Lives:
    """One pidfd for each watched dyno: a request costs nothing, a new connection one look. `on_end` gets a dyno's id once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_end: Callable[[str], None]) -> None:
        self._loop = loop
        self._on_end = on_end
        self._watched: dict[str, int] = {}

    def watch(self, dyno_id: str, life: str) -> bool:
        """Follow `Target.life` from now on; False if it is over already. What cannot be followed counts as living."""
        who = Identity.from_text(life)
        if who is None:
            return True
        try:
            descriptor = os.pidfd_open(who.pid)
        except ProcessLookupError:
            return False
        except OSError:  # no descriptor left
            return True
        now = procfs.identify(who.pid)  # nobody: it has just ended, which the descriptor tells, or /proc hides it from us
        if now is not None and now != who:
            os.close(descriptor)
            return False
        self._watched[dyno_id] = descriptor
        self._loop.add_reader(descriptor, self._on_readable, dyno_id)
        return True

    def holds(self, dyno_id: str) -> bool:
        """Whether it lives at this very moment, as far as we can tell."""
        descriptor = self._watched.get(dyno_id)
        return descriptor is None or not _is_over(descriptor)

    def forget(self, dyno_id: str) -> None:
        """Follow it no longer; fine if it is not followed."""
        if (descriptor := self._watched.pop(dyno_id, None)) is not None:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)

    def close(self) -> None:
        """Forget all."""
        for dyno_id in list(self._watched):
            self.forget(dyno_id)

    def _on_readable(self, dyno_id: str) -> None:
        self._loop.remove_reader(self._watched[dyno_id])  # stays open: `holds` goes on answering
        self._on_end(dyno_id)


def _is_over(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
