"""Where requests of one app go: the least loaded target that takes some, and a queue for when none does."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from pushd.model.routing import Route, Target, WebState
from pushd.router.limits import Limits

if TYPE_CHECKING:
    from pushd.router.exchange import Exchange
    from pushd.router.upstream import UpstreamConnection

_WITHOUT_TARGETS = {WebState.CRASHED: "H10", WebState.NONE: "H14", WebState.BLANK: "H81", WebState.SERVING: "H99"}
_FIRST_ASIDE_SECONDS = 0.1
_IDLE_LIMIT = 64  # idle connections kept per target


class LiveTarget:
    """A target with what is under way at it: requests, idle connections, and how it behaved."""

    __slots__ = ("_refusals", "app", "aside_until", "ended", "exchanges", "idle", "leaves_at", "target")

    def __init__(self, target: Target, app: AppTraffic) -> None:
        self.target = target
        self.app = app
        self.exchanges: set[Exchange] = set()
        self.idle: list[UpstreamConnection] = []  # the freshest last
        self.aside_until = 0.0  # loop time
        self.leaves_at: float | None = None  # when what is still under way is cut; None while it is in the table
        self.ended = False  # its dyno has: the port may be anybody's now
        self._refusals = 0

    def take_idle(self, now: float, *, within: float) -> UpstreamConnection | None:
        """The connection used last, if it was used in the last `within` seconds."""
        while self.idle and now - self.idle[-1].idle_since <= within:
            connection = self.idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def on_taken(self) -> None:
        """It took a connection: what it refused before counts no more."""
        self._refusals = 0

    def put_idle(self, connection: UpstreamConnection, now: float) -> None:
        """Keep a connection for the next request, unless there will be none or there are enough."""
        if self.leaves_at is not None or len(self.idle) >= _IDLE_LIMIT:
            connection.close()
            return
        connection.idle_since = now
        self.idle.append(connection)

    def close_idle(self, *, since: float) -> None:
        """Close the idle connections that were used last before `since` (loop time)."""
        for connection in [each for each in self.idle if each.idle_since < since]:
            self.idle.remove(connection)
            connection.close()

    def set_aside(self, now: float, limits: Limits) -> None:
        """Leave it alone for a moment that doubles with each refusal in a row; for ever if its dyno has ended."""
        if self.ended:
            return
        self.aside_until = now + min(limits.aside_seconds, _FIRST_ASIDE_SECONDS * 2**self._refusals)
        self._refusals = min(self._refusals + 1, 16)

    def end(self) -> None:
        """Its dyno has ended: nothing goes there any more. The daemon, if there is one, will send a table without it."""
        self.ended = True
        self.aside_until = math.inf
        self.close_idle(since=math.inf)


class AppTraffic:
    """One app's route, its targets and the requests that wait for one."""

    __slots__ = ("_turn", "route", "targets", "waiting")

    def __init__(self, route: Route) -> None:
        self.route = route
        self.targets: list[LiveTarget] = []
        self.waiting: deque[Exchange] = deque()
        self._turn = 0

    def maybe_pick(self, now: float) -> LiveTarget | None:
        """The target with the fewest requests under way, ties in turn; None if all are full or set aside."""
        best: LiveTarget | None = None
        best_load = self.route.requests_per_target
        self._turn += 1
        count = len(self.targets)
        for index in range(count):
            target = self.targets[(self._turn + index) % count]
            load = len(target.exchanges)
            if load < best_load and target.aside_until <= now:
                best, best_load = target, load
        return best

    def maybe_code_without_targets(self) -> str | None:
        """Why there will be no target soon, as a code; None if there are some, or the app boots."""
        return None if self.targets else _WITHOUT_TARGETS.get(self.route.state)

    def code_of_waiting(self, now: float) -> str:
        """Why nobody could be found for a request that has waited too long."""
        if not self.targets:
            return "H20"
        if all(target.ended for target in self.targets):
            return "H10"
        return "H34" if all(target.aside_until > now for target in self.targets) else "H11"

    def backlog(self, limits: Limits) -> int:
        """How many requests may wait."""
        return self.route.requests_per_target * len(self.targets) or limits.boot_backlog

    def serve_waiting(self, now: float) -> None:
        """Send on those who have waited longest, as far as there is room."""
        while self.waiting and (target := self.maybe_pick(now)) is not None:
            self.waiting.popleft().send_to(target)
