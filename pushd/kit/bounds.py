"""Bounds for a program and all that it started: what they take is measured again and again, until it is too much."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from pushd.kit import procfs
from pushd.kit.aio import in_thread
from pushd.kit.cgroup import Group
from pushd.kit.procfs import Family

_EVERY_SECONDS = 0.25
_SELDOM_SECONDS = 1.0
_SHARE = 10  # measuring takes at most so small a part of the time: a tenth


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a tree of processes may take, all of it together."""

    tasks: int  # processes, each counted with its threads
    memory_bytes: int | None = None  # resident and in swap; pages that some of them share count once
    group: Group | None = None  # that they are in; the kernel holds it to the same, as far as it can

    @property
    def was_killed_for_memory(self) -> bool:
        """Whether the kernel killed one of them, because all together took too much."""
        return self.group is not None and self.group.has_killed_for_memory()


class TookTooMuch(Exception):
    """A program was ended because all that it started took more than it may: `what` is "tasks" or "memory"."""

    def __init__(self, what: str, taken: int, limit: int) -> None:
        super().__init__(f"{what}: {taken}, more than {limit}")
        self.what, self.taken, self.limit = what, taken, limit


def find_excess(bounds: Bounds, family: Family, pss_bytes: Callable[[Sequence[int]], int]) -> TookTooMuch | None:
    """What these take too much of, if anything. Memory is summed up first: to know it exactly costs a millisecond each."""
    if family.tasks > bounds.tasks or (bounds.group is not None and bounds.group.has_refused_tasks()):
        return TookTooMuch("tasks", family.tasks, bounds.tasks)
    if bounds.memory_bytes is not None and bounds.was_killed_for_memory:
        return TookTooMuch("memory", bounds.memory_bytes, bounds.memory_bytes)
    pids = list(family.pids)
    if bounds.memory_bytes is not None and sum(map(procfs.rss_bytes, pids)) + procfs.swapped_bytes(pids) > bounds.memory_bytes:
        exact = pss_bytes(pids) + procfs.swapped_bytes(pids, exact=True)
        if exact > bounds.memory_bytes:
            return TookTooMuch("memory", exact, bounds.memory_bytes)
    return None


def check_end(bounds: Bounds | None, status: int) -> None:
    """Of a program that failed before anybody looked: whether the kernel was quicker. Raises: TookTooMuch."""
    if status != 0 and bounds is not None and bounds.was_killed_for_memory:
        raise TookTooMuch("memory", bounds.memory_bytes or 0, bounds.memory_bytes or 0)


async def watch(bounds: Bounds, look: Callable[[int], Family], pss_bytes: Callable[[Sequence[int]], int]) -> NoReturn:
    """Measure for ever; `look` is given how many tasks are enough to know. Raises: TookTooMuch."""
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        excess = await in_thread(lambda: find_excess(bounds, look(bounds.tasks), pss_bytes))
        if excess is not None:
            raise excess
        await asyncio.sleep(max(_EVERY_SECONDS, min(_SHARE * (loop.time() - began), _SELDOM_SECONDS)))
