"""The router's heart: the table in force, the targets behind it, and everything that lives on between requests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import re
import socket
from collections.abc import Callable, Sequence

from pushd.kit.aio import Nursery
from pushd.kit.sockdiag import SockDiag
from pushd.model.routing import Table, Target
from pushd.router.client import ClientConnection
from pushd.router.codes import Code
from pushd.router.exchange import Exchange, Step
from pushd.router.journal import Journal, refused_line
from pushd.router.limits import Limits
from pushd.router.lives import Lives
from pushd.router.reader import judge_of_requests, judge_of_responses
from pushd.router.table import Lookup, parse_host
from pushd.router.targets import AppTraffic, LiveTarget
from pushd.router.upstream import UpstreamConnection

log = logging.getLogger(__name__)

_EMPTY = Table(number=0, routes=())
_HOST_LINE = re.compile(rb"(?i)\r\nhost:[ \t]*([^\r\n]*)")
_BACKLOG = 4096


class Proxy:
    """Serves visitors by the newest table. Used inside `async with`; leaving it cuts what is still under way."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.limits = limits or Limits()
        self.journal = Journal(self.loop)
        self.request_judge = judge_of_requests(self.limits)
        self._response_judge = judge_of_responses(self.limits)
        self.table = _EMPTY
        self.apps: dict[str, AppTraffic] = {}
        self.targets: dict[str, LiveTarget] = {}  # by dyno id; those that left the table until they are drained
        self.clients: set[ClientConnection] = set()
        self.stopping = False
        self.idle_until = math.inf  # loop time; once we stop, idle clients are waited for no longer
        self._nobody = asyncio.Event()  # set when we stop and the last client has gone
        self.on_drained: Callable[[str], None] = lambda dyno_id: None
        self.on_refused: Callable[[str], None] = lambda dyno_id: None
        self._lookup = Lookup(_EMPTY)
        self._servers: list[asyncio.Server] = []
        self._lives = Lives(self.loop, self._on_life_over)
        self._listeners = SockDiag()
        self._nursery = Nursery("proxy")

    async def __aenter__(self) -> Proxy:
        self._nursery.keep(self._watch_times, name="times")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close_listeners()
        for client in list(self.clients):
            client.transport.abort()
        for target in self.targets.values():
            target.close_idle(since=math.inf)
        self._lives.close()
        self._listeners.close()
        await self._nursery.close()
        await asyncio.sleep(0)  # transports that were just cut tell their protocols in the next turn of the loop

    # -- what the daemon asks for

    async def listen(self, listening: Sequence[socket.socket]) -> None:
        """Accept on these sockets from now on, and no longer on those before them; the caller keeps its own copies."""
        old = self._servers
        self._servers = [
            await self.loop.create_server(lambda: ClientConnection(self), sock=each.dup(), backlog=_BACKLOG)
            for each in listening
        ]
        for server in old:
            server.close()

    def close_listeners(self) -> None:
        """Accept no more."""
        for server in self._servers:
            server.close()
        self._servers = []

    def apply(self, table: Table) -> None:
        """Put a table in force, at once and whole: waiting requests are looked at again, targets that left it are drained."""
        self.table, self._lookup = table, Lookup(table)
        now = self.loop.time()
        left = {target.target.dyno_id: target for target in self.targets.values() if target.leaves_at is None}
        old, self.apps = self.apps, {}
        for route in table.routes:
            app = old.pop(route.app_id, None) or AppTraffic(route)
            self.apps[route.app_id], app.route, app.targets = app, route, []
            for target in route.targets:
                left.pop(target.dyno_id, None)
                live = self.targets.get(target.dyno_id) or self._new_target(target, app)
                live.app, live.leaves_at = app, None
                app.targets.append(live)
        for live in left.values():
            self._drain(live, now)
        for app in (*old.values(), *self.apps.values()):
            waiting = list(app.waiting)
            app.waiting.clear()
            for exchange in waiting:
                exchange.dispatch()

    async def finish(self, within: float, *, idle_within: float = 0.0) -> None:
        """Accept no more, let what is under way end; after `within` seconds it is cut.

        Whoever was told that the connection stays open may be sending its next request right now. With `idle_within` that one
        is answered too, and told that it is the last.
        """
        self.stopping = True
        self.idle_until = self.loop.time() + min(within, idle_within)
        self.close_listeners()
        for client in list(self.clients):
            if client.exchange is None:
                client.await_last()
        if not self.clients:
            self._nobody.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._nobody.wait()

    @property
    def draining(self) -> list[str]:
        """Ids of dynos that left the table and still serve requests."""
        return [dyno_id for dyno_id, target in self.targets.items() if target.leaves_at is not None]

    # -- what exchanges ask for

    def maybe_app(self, host: str) -> AppTraffic | None:
        """The app that answers for a host."""
        route = self._lookup.maybe_route(host)
        return self.apps[route.app_id] if route is not None else None

    def on_client_gone(self, client: ClientConnection) -> None:
        """A client's connection is closed."""
        self.clients.discard(client)
        if self.stopping and not self.clients:
            self._nobody.set()

    def connect(self, exchange: Exchange, target: LiveTarget) -> None:
        """Open a connection to a target and tell the exchange how that went."""
        self._nursery.start(self._connect(exchange, target), name="connect")

    def on_target_freed(self, target: LiveTarget) -> None:
        """One request less at a target."""
        if target.leaves_at is not None and not target.exchanges:
            self._forget(target)
        elif target.app.waiting:
            target.app.serve_waiting(self.loop.time())

    def on_target_refused(self, target: LiveTarget) -> None:
        """A target did not take a connection; look at who waits for it when it is to be tried again."""
        self.on_refused(target.target.dyno_id)
        if not target.ended:
            self.loop.call_at(target.aside_until, self._on_aside_over, target, target.aside_until)

    def log_refused(self, raw: bytes, code: Code, *, cause: str, status: int, peer: bytes) -> None:
        """A line for a request whose head could not be read, in the log of the app that its Host names, if it names one."""
        found = _HOST_LINE.search(raw)
        host = parse_host(found[1].strip()) if found else None
        app = self.maybe_app(host) if host is not None else None
        if app is not None and host is not None:
            line = refused_line(code, raw=raw, host=host, fwd=peer, status=status, cause=cause)
            self.journal.record(app.route.app_id, code.level, line)

    # -- in the background

    async def _connect(self, exchange: Exchange, target: LiveTarget) -> None:
        address = target.target
        try:
            async with asyncio.timeout(self.limits.connect_seconds):
                _, connection = await self.loop.create_connection(
                    lambda: UpstreamConnection(target, self._response_judge), address.host, address.port
                )
        except TimeoutError:
            exchange.on_connect_failed("H19")
        except OSError:
            exchange.on_connect_failed("H21")
        else:
            if not self._lives.holds(address.dyno_id):
                target.end()
                connection.close()
                exchange.on_connect_failed("H21")
            elif connection.is_cut_off:
                connection.close()
                exchange.on_connect_failed("H21")
            elif self._is_anothers(address):
                connection.close()
                exchange.on_connect_failed("H21", elsewhere=True)
            elif exchange.step is Step.CONNECTING:
                exchange.on_connected(connection)
            else:  # the client went away meanwhile
                target.put_idle(connection, self.loop.time())

    def _is_anothers(self, address: Target) -> bool:
        """Whether a living dyno's port is another user's by now.

        That is all that tells them apart: an app may open another listening socket, or have one for each of its workers.
        """
        uid = None if address.uid is None else self._listeners.maybe_uid(address.port)
        if uid is None or uid == address.uid:
            return False
        log.warning("another user listens on a dyno's port", extra={"dyno": address.dyno_id, "uid": uid})
        return True

    def _new_target(self, target: Target, app: AppTraffic) -> LiveTarget:
        live = self.targets[target.dyno_id] = LiveTarget(target, app)
        if not self._lives.watch(target.dyno_id, target.life):
            live.end()
        return live

    def _on_life_over(self, dyno_id: str) -> None:
        if (target := self.targets.get(dyno_id)) is not None:
            target.end()

    def _on_aside_over(self, target: LiveTarget, until: float) -> None:
        if target.aside_until == until:  # it has not refused again; timers come up to a millisecond early
            target.aside_until = 0.0
        target.app.serve_waiting(self.loop.time())

    def _drain(self, target: LiveTarget, now: float) -> None:
        target.close_idle(since=math.inf)
        target.leaves_at = now + target.app.route.drain_seconds
        if not target.exchanges:
            self._forget(target)

    def _forget(self, target: LiveTarget) -> None:
        target.close_idle(since=math.inf)
        self._lives.forget(target.target.dyno_id)
        if self.targets.pop(target.target.dyno_id, None) is not None:
            self.on_drained(target.target.dyno_id)

    async def _watch_times(self) -> None:
        """Look at every deadline now and then: a timer per request would cost more than the request."""
        while True:
            await asyncio.sleep(self.limits.tick_seconds)
            now = self.loop.time()
            for client in [client for client in self.clients if client.expires_at <= now]:
                client.on_expired()
            for target in list(self.targets.values()):
                target.close_idle(since=now - self.limits.pool_seconds)
                if target.leaves_at is not None and target.leaves_at <= now:
                    for exchange in list(target.exchanges):
                        exchange.cut()
