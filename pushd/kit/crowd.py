"""Strangers who wait, or are waited for: bounded in number, of each source and in all, and in time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def plan_room(waiting: Mapping[T, str], source: str, *, at_most: int, per_source: int) -> T | None:
    """Which of those who wait (oldest first, with their sources) makes room for one more of `source`; None: nobody has to.

    A source that has as many as it may have makes room itself; when there are too many in all, the one with most does.
    """
    counts = Counter(waiting.values())
    if counts[source] >= per_source:
        crowded = source
    elif len(waiting) >= at_most:
        crowded = counts.most_common(1)[0][0]
    else:
        return None
    return next(each for each, of in waiting.items() if of == crowded)


@dataclass(frozen=True, slots=True)
class _Waiting:
    source: str
    dismiss: Callable[[], object]
    is_gone: Callable[[], bool]
    timer: asyncio.TimerHandle


class Crowd:
    """Who is in it leaves soon: by what it does, when its time is over, or to make room for somebody who has just come.

    Room is made as `plan_room` says. So a client that says at once what it wants is heard, whatever another source does; and of
    its own source so many would have to come meanwhile.
    """

    def __init__(self, *, per_source: int, at_most: int) -> None:
        self._per_source = per_source
        self._at_most = at_most
        self._all: dict[Hashable, _Waiting] = {}
        self._sources = Counter[str]()

    def __len__(self) -> int:
        return len(self._all)

    def enter(
        self,
        who: Hashable,
        source: str,
        *,
        within: float,
        dismiss: Callable[[], object],
        when_late: Callable[[], object] | None = None,
        is_gone: Callable[[], bool] = lambda: False,
    ) -> None:
        """Wait for it from now on, `within` seconds; who is in already begins anew.

        `dismiss` ends it, `when_late` does if its time is over; `is_gone` tells whether it has ended by itself.
        """
        self.leave(who)
        if self._sources[source] >= self._per_source or len(self._all) >= self._at_most:
            self._make_room(source)
        timer = asyncio.get_running_loop().call_later(within, self._end, who, when_late or dismiss)
        self._all[who] = _Waiting(source, dismiss, is_gone, timer)
        self._sources[source] += 1

    def leave(self, who: Hashable) -> None:
        """It is waited for no more; nothing if it was not."""
        waiting = self._all.pop(who, None)
        if waiting is None:
            return
        waiting.timer.cancel()
        self._sources[waiting.source] -= 1
        if not self._sources[waiting.source]:
            del self._sources[waiting.source]

    def close(self) -> None:
        """Wait for nobody any more."""
        for who in list(self._all):
            self.leave(who)

    def _make_room(self, source: str) -> None:
        for who in [who for who, waiting in self._all.items() if waiting.is_gone()]:
            self.leave(who)
        waiting = {who: each.source for who, each in self._all.items()}
        if (who := plan_room(waiting, source, at_most=self._at_most, per_source=self._per_source)) is not None:
            self._end(who, self._all[who].dismiss)

    def _end(self, who: Hashable, how: Callable[[], object]) -> None:
        is_gone = self._all[who].is_gone()
        self.leave(who)
        if not is_gone:
            how()
