"""Who makes room where only so many strangers may wait. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
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
