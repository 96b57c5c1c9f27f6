"""How many connections there may be, and which one goes when there is one too many. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import TypeVar

T = TypeVar("T", bound=Hashable)

LOGIN_SECONDS = 30.0  # from the first byte to a login
UNKNOWN_AT_MOST = 100  # connections without a login
UNKNOWN_PER_SOURCE = 10
KEYS_TRIED = 20  # in one connection: an agent may hold many
CONNECTIONS_PER_USER = 50
SESSIONS_PER_CONNECTION = 10
KEEP_ALIVE_SECONDS, UNANSWERED = 30.0, 4  # who does not answer so often is gone


def plan_room(waiting: Mapping[T, str], source: str) -> T | None:
    """Which of the connections without a login (oldest first, with their sources) makes room for one more; None: nobody has to.

    A source that has as many as it may have makes room itself; when there are too many in all, the one with most does.
    """
    counts = Counter(waiting.values())
    if counts[source] >= UNKNOWN_PER_SOURCE:
        crowded = source
    elif len(waiting) >= UNKNOWN_AT_MOST:
        crowded = counts.most_common(1)[0][0]
    else:
        return None
    return next(each for each, of in waiting.items() if of == crowded)
