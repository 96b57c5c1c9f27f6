"""R14 and R15: what dynos take is measured again and again, told when over the quota, ended far above it.

An app with the feature log-runtime-metrics has it in its log all the time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from enum import Enum
from uuid import UUID

from pushd.kit.aio import in_thread
from pushd.kit.clock import Clock
from pushd.kit.proc import machine_memory_bytes
from pushd.model.resources import vast_bytes
from pushd.runner.dyno import Life, memory_line
from pushd.runner.schedulers import Memory

log = logging.getLogger(__name__)
SAMPLE_EVERY_SECONDS = 4.0
TELL_EVERY_SECONDS = 20.0  # as often as Heroku says R14, and the metrics


class Verdict(Enum):
    """How a dyno stands to its quota."""

    FINE = "fine"
    OVER = "over"  # R14: told
    VASTLY_OVER = "vastly over"  # R15: ended


def judge(memory: Memory, quota_bytes: int, machine_bytes: int) -> Verdict:
    """Processes and scratch files count together: what is written to /tmp takes memory too, and so does what is in swap."""
    taken = memory.total_bytes
    if taken > vast_bytes(quota_bytes, machine_bytes):
        return Verdict.VASTLY_OVER
    return Verdict.OVER if taken > quota_bytes else Verdict.FINE


def metrics_line(life: Life, memory: Memory, quota_bytes: int) -> str:
    """What a dyno takes, in the form that tools for Heroku's logs read.

    Units: megabytes of 2**20 bytes. `memory_cache` are scratch files, which live in memory.
    Source: Heroku Dev Center, "Log Runtime Metrics", as far as we measure it.
    """
    samples = {
        "memory_total": memory.total_bytes,
        "memory_rss": memory.rss_bytes,
        "memory_cache": memory.scratch_bytes,
        "memory_swap": memory.swap_bytes,
        "memory_quota": quota_bytes,
    }
    shown = " ".join(f"sample#{name}={size / (1 << 20):.2f}MB" for name, size in samples.items())
    return f"source={life.part.name} dyno=heroku.{life.part.launch.app.id}.{life.id} {shown}"


class MemoryWatch:
    """One loop over all dynos; a dyno that cannot be measured is left alone."""

    def __init__(self, lives: Callable[[], Iterable[Life]], clock: Clock) -> None:
        self._lives = lives
        self._clock = clock
        self._machine_bytes = machine_memory_bytes()
        self._told_at: dict[UUID, float] = {}  # when R14 was last said, of those that are over
        self._logged_at: dict[UUID, float] = {}  # when metrics were last logged

    async def run(self) -> None:
        """Sample for ever."""
        while True:
            await self._clock.sleep(SAMPLE_EVERY_SECONDS)
            await self.sample()

    async def sample(self) -> None:
        """Measure every dyno once and act on it."""
        lives = list(self._lives())
        for life in lives:
            try:
                await self._sample(life)
            except Exception:
                log.exception("cannot measure a dyno", extra={"dyno": life.part.name})
        ids = {life.id for life in lives}
        self._told_at = {dyno_id: at for dyno_id, at in self._told_at.items() if dyno_id in ids}
        self._logged_at = {dyno_id: at for dyno_id, at in self._logged_at.items() if dyno_id in ids}

    async def _sample(self, life: Life) -> None:
        process = life.process
        if process is None:
            return
        memory, ran_out = await in_thread(lambda: (process.handle.memory(), process.handle.ran_out_of_memory()))
        if process is not life.process:
            return  # it was started again meanwhile
        quota_bytes = process.handle.memory_bytes
        if life.part.launch.settings["log-runtime-metrics"] and self._is_due(self._logged_at, life.id):
            life.tell(metrics_line(life, memory, quota_bytes))
        verdict = Verdict.VASTLY_OVER if ran_out else judge(memory, quota_bytes, self._machine_bytes)
        if verdict is Verdict.FINE:
            self._told_at.pop(life.id, None)
            return
        taken = memory.total_bytes
        if ran_out:  # what took it may be gone by now: the kernel ended it at its bound
            taken = max(taken, vast_bytes(quota_bytes, self._machine_bytes))
        shown = memory_line(taken, quota_bytes)
        if verdict is Verdict.VASTLY_OVER:
            life.tell(shown)
            life.kill_for_memory()
        elif self._is_due(self._told_at, life.id):
            life.tell(shown)
            life.tell("Error R14 (Memory quota exceeded)")

    def _is_due(self, last: dict[UUID, float], dyno_id: UUID) -> bool:
        """Whether to say it again; if so, that is remembered."""
        now = self._clock.monotonic()
        if now - last.get(dyno_id, float("-inf")) < TELL_EVERY_SECONDS:
            return False
        last[dyno_id] = now
        return True
