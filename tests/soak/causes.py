"""Which failed requests the promises allow. Pure.

Source: docs/reliability.md. Only a router that is killed and an app that crashes may fail requests, and only those that were
under way then; an upgraded connection ends when its dyno is replaced and its drain time is over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What happened to the daemon, the router or an app."""

    DAEMON_KILLED = "daemon killed"  # until the next one is ready
    DAEMON_RESTARTED = "daemon restarted"  # TERM, then the next one
    ROUTER_KILLED = "router killed"  # until that process is gone
    CRASH = "app crashed"  # until its process is gone
    PUSH = "push"
    CONFIG = "config:set"
    RESTART = "restart"
    SCALE = "scale"
    ROLLBACK = "rollback"


REPLACES_DYNOS = frozenset({Kind.PUSH, Kind.CONFIG, Kind.RESTART, Kind.SCALE, Kind.ROLLBACK})
STOPS_DAEMON = frozenset({Kind.DAEMON_KILLED, Kind.DAEMON_RESTARTED})


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done; times are the monotonic clock's. `app` None: it concerns all."""

    kind: Kind
    began: float
    ended: float
    app: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that did not get its answer."""

    app: str
    visitor: str  # which kind of visitor: "keep", "stream", ...
    began: float
    ended: float
    what: str
    upgraded: bool = False


def maybe_cause(failure: Failure, events: Iterable[Event], *, drain_seconds: float) -> Kind | None:
    """Why this request may have failed; None if nothing allows it."""
    for event in events:
        if event.app not in (None, failure.app):
            continue
        under_way = failure.began <= event.ended and failure.ended >= event.began
        if event.kind in (Kind.ROUTER_KILLED, Kind.CRASH) and under_way:
            return event.kind
        drained = failure.ended - drain_seconds >= event.began and failure.began <= event.ended
        if event.kind in REPLACES_DYNOS and failure.upgraded and drained:
            return event.kind
    return None


def count_causes(
    failures: Sequence[Failure], events: Sequence[Event], *, drain_seconds: float
) -> tuple[Counter[Kind], list[Failure]]:
    """How many failures each cause explains, and those that nothing does."""
    counts: Counter[Kind] = Counter()
    unexplained = []
    for failure in failures:
        cause = maybe_cause(failure, events, drain_seconds=drain_seconds)
        if cause is None:
            unexplained.append(failure)
        else:
            counts[cause] += 1
    return counts, unexplained
