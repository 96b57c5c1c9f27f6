"""The daemon's end of the router: starts it or takes over its predecessor's, sends tables, takes its log lines.

In: what the runner says of targets, and `RouteSource` of everything else about an app. Out: tables, acknowledged; log lines.
Who calls: runner (route, drained), apps and deploys (refresh, forget), daemon (start, stop, leave).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pushd
from pushd.errors import PushdError, Unavailable
from pushd.kit import proc
from pushd.kit.aio import Nursery, in_thread
from pushd.kit.cgroup import NO_GROUPS, Groups
from pushd.kit.clock import Clock
from pushd.kit.door import Door
from pushd.kit.uids import ROUTER_UID
from pushd.layout import Layout
from pushd.model.routing import Table, Target, WebState
from pushd.router.link import Link, RouterFailed, ended_unless_used, find_routers, start_router
from pushd.router.listening import choose_doors
from pushd.router.routes import Routes, RouteSource
from pushd.router.seen import Seen

log = logging.getLogger(__name__)

_SUCCESSOR = "router-next.sock"  # beside the socket of a router that is being replaced
_ACK_SECONDS = 10.0
_QUIET_SECONDS = 10.0  # without news we ask whether it still answers
_OLD_ROUTER_SECONDS = 30.0  # for the requests of a router that is replaced
_OLD_IDLE_SECONDS = 5.0  # for one more request on each of its clients' connections
_STOP_SECONDS = 5.0
_PUBLISH_SECONDS = 30.0  # somebody waits; a router that is started again needs a small part of it
_PROVEN_SECONDS = 1.0  # a router that served so long is replaced at once
_FIRST_PAUSE_SECONDS, _LAST_PAUSE_SECONDS = 0.05, 5.0  # between starts of a router that dies at once


class Router:
    """Visitors' way to apps. Every change returns once the router has acknowledged a table that holds it.

    announce, refresh and forget raise Unavailable when that takes too long: the change is in the store, and in force once a
    router runs again. `route` waits on, or takes its targets back: no table may name dynos that are about to be ended.

    A router that dies or does not answer is replaced at once: we hold copies of its listening sockets, so nobody is refused
    meanwhile. One of another version is replaced once its successor has a table; until then it keeps its name.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        routes: RouteSource,
        clock: Clock,
        default_app: str = "",
        on_log: Callable[[UUID, str], None] = lambda app_id, line: None,
        user_id: int | None = None,
        limits: Sequence[str] = (),
        publish_seconds: float = _PUBLISH_SECONDS,
        groups: Groups = NO_GROUPS,
    ) -> None:
        """`user_id`: the router's own uid, only as root; `limits`: as in router/limits.py, for tests; `groups`: it has one."""
        self._layout = layout
        self._clock = clock
        self._default_app = default_app
        self._on_log = on_log
        self._user_id = (ROUTER_UID if user_id is None else user_id) if os.geteuid() == 0 else None
        self._limits = limits
        self._publish_seconds = publish_seconds
        self._groups = groups
        self._nursery = Nursery("router")
        self._doors: list[Door] = []
        self._link: Link | None = None
        self._old: Link | None = None  # a router of another version that finishes its requests
        self._routes = Routes(routes)
        self._targets: dict[UUID, tuple[tuple[Target, ...], WebState]] = {}
        self._is_settled = False  # ours has its first table, and any other router was told to end
        self.was_running = False  # a predecessor's router had been there when we started
        self._seen = Seen()
        self._number = 0  # of the last table
        self._announced = False  # every app has been named
        self._version = 0  # grows with each change
        self._in_force = 0  # the version of the newest acknowledged table
        self._news = asyncio.Event()
        self._settled = asyncio.Condition()

    # -- life

    async def start(self, address: str, *, last_port: str | None = None, inherited: socket.socket | None = None) -> None:
        """Find the router that a predecessor left, or start one; settle where it listens.

        `address` is host:port or unix:/path; port 0 is what a running router has, else `last_port` if free, else a free one;
        `inherited`: a listening socket of systemd's, used instead. A router of another version serves until ours has its
        first table, then finishes. Raises: CannotListen, RouterFailed; nothing has changed then.
        """
        found = await self._maybe_running()
        self.was_running = found is not None
        running = found.doors if found else []
        try:
            self._doors = choose_doors(address, running, last_port=last_port, inherited=inherited)
            if found is not None and found.version == pushd.__version__:
                self._take_over(found)
            else:
                self._old = found
                self._adopt(await self._started())
        except PushdError:
            self._old = None
            self._let_go()
            if found is not None:
                found.leave()
            raise
        if found is not None:
            found.close_doors()
        self._nursery.start(self._keep(), name="keep")

    async def leave(self) -> None:
        """Let the router serve on by itself; the next daemon finds it."""
        await self._nursery.close()
        for link in self._links:
            link.leave()
        self._let_go()

    async def stop(self) -> None:
        """End the router and wait until it is gone."""
        await self._nursery.close()
        await asyncio.gather(*(link.end(_STOP_SECONDS) for link in self._links))
        self._let_go()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens: host and port; ("unix:/path", 0) for a Unix socket."""
        return [door.host_and_port for door in self._doors]

    @property
    def pid(self) -> int | None:
        """Of the router process; None between a death and the next start."""
        return self._link.pid if self._link is not None and not self._link.closed else None

    @property
    def url(self) -> str:
        """Where visitors on this machine reach it."""
        return self._doors[0].url

    @property
    def port(self) -> str | None:
        """Of its first address, for `last_port` of the next start; None for a Unix socket."""
        return self._doors[0].port

    # -- changes

    async def route(self, app_id: UUID, targets: Sequence[Target], state: WebState, *, within: float | None = None) -> None:
        """Send an app's visitors to these targets.

        Raises: NotFound when there is no such app any more; Unavailable when no router has acknowledged it `within` so many
        seconds: no router sends anybody to these targets then, and what was before holds again.
        """
        if app_id not in self._routes.of:
            await self._routes.read(app_id)
        before, ours = self._targets.get(app_id), (self._seen.note(targets), state)
        self._targets[app_id] = ours
        try:
            await self._publish(within=within)
        except TimeoutError:
            if self._targets.get(app_id) is ours:  # else somebody knows better by now
                self._targets[app_id] = before or ((), WebState.BLANK)
            await self._withdraw()
            raise Unavailable(
                "The router does not answer, so visitors stay where they are.",
                remedy="The daemon keeps starting it; its log says why that fails. Try again then.",
            ) from None

    async def announce(self, routes: Mapping[UUID, tuple[Sequence[Target], WebState]]) -> None:
        """Put all these apps at once into the next table. Raises: Unavailable.

        No table is sent before the first call, in which a daemon that starts names every app: what a predecessor's router
        serves is in force until then, and an app that is not in the table has no visitors. Nobody waits for another server
        meanwhile: pages that are fetched follow, each as it comes. An app that cannot be read is left out until it can be.
        """
        for app_id, (targets, state) in routes.items():
            self._targets.setdefault(app_id, (self._seen.note(targets), state))
        await self._routes.read_all(routes)
        self._announced = True
        await self._publish_stored()
        fetching = self._routes.fetch_all(list(routes), is_wanted=self._targets.__contains__, on_change=self._next_version)
        self._nursery.start(fetching, name="fetch pages")

    async def refresh(self, app_id: UUID) -> None:
        """Read again what the app is called and how it is shown. Raises: NotFound, Unavailable."""
        await self._routes.read(app_id)
        await self._publish_stored()

    async def forget(self, app_id: UUID) -> None:
        """Take an app out of the table. Raises: Unavailable."""
        self._routes.forget(app_id)
        self._targets.pop(app_id, None)
        await self._publish_stored()

    async def drained(self, dyno_id: UUID) -> None:
        """Return when a target that left the table has answered its last request, or its drain time is over."""
        name = str(dyno_id)
        longest = max((link.carries[name] for link in self._links if name in link.carries), default=0.0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest + _ACK_SECONDS):
                await self._until(lambda: all(name not in link.carries for link in self._links))

    # -- inside

    @property
    def _path(self) -> Path:
        """Where a router of ours is reached: it gets the name of the one before once it serves."""
        name = self._layout.router_socket
        return name if self._old is None or self._is_settled else name.with_name(_SUCCESSOR)

    @property
    def _links(self) -> list[Link]:
        return [link for link in (self._link, self._old) if link is not None]

    async def _maybe_running(self) -> Link | None:
        with contextlib.suppress(OSError):
            return await Link.connect(self._layout.router_socket, self._news.set)
        return None

    async def _started(self) -> Link:
        """A new router that knows where to listen."""
        path = self._path
        pid = await start_router(
            path,
            log_path=self._layout.run / "router.log",
            python=sys.executable,
            # Nothing of our own environment is for it. This very pushd is what it runs, wherever that was imported from.
            environ={"PATH": os.defpath, "PYTHONPATH": str(Path(pushd.__file__).parents[1])},
            user_id=self._user_id,
            limits=self._limits,
            groups=self._groups,
        )
        log.info("router started", extra={"router_pid": pid})
        try:
            with ended_unless_used(pid):
                link = await Link.connect(path, self._news.set)
        except OSError as error:
            raise RouterFailed(f"the router does not answer: {error}", remedy="Start pushd again.") from error
        link.listen(self._doors)
        return link

    def _take_over(self, link: Link) -> None:
        """Go on with a predecessor's router; its table stays in force until we have a first one."""
        self._number = link.table_number
        if [door.address for door in link.doors] != [door.address for door in self._doors]:
            link.listen(self._doors)
        self._adopt(link)

    def _adopt(self, link: Link) -> None:
        link.on_lines = self._on_lines
        self._link = link

    async def _keep(self) -> None:
        """Keep one router going and its table right, until the daemon ends."""
        pause = 0.0
        while True:
            if self._link is not None:
                started = self._clock.monotonic()
                await self._serve(self._link)
                await self._link.kill()  # it has ended already, or it hangs
                self._link = None
                await self._tell_settled()
                if self._clock.monotonic() - started > _PROVEN_SECONDS:
                    pause = 0.0
            log.error("router ended, starting another", extra={"pause_seconds": pause})
            if pause:
                await self._clock.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE_SECONDS) or _FIRST_PAUSE_SECONDS
            try:
                self._adopt(await self._started())
            except RouterFailed as error:
                log.error("router not started", extra={"cause": error.text})

    async def _serve(self, link: Link) -> None:
        """Send tables while there is something new, one at a time; returns when the link is lost or does not answer."""
        sent_version, in_flight = 0, False
        while not link.closed:
            self._news.clear()
            if in_flight and link.acknowledged == self._number:
                in_flight = False
                self._in_force = sent_version
                self._seen.keep_only({target.dyno_id for targets, _ in self._targets.values() for target in targets})
                if not self._is_settled:
                    self._is_settled = True
                    await self._end_others()
            if self._announced and not in_flight and sent_version < self._version:
                sent_version, in_flight = self._version, True
                self._number += 1
                link.send(self._table())
            await self._tell_settled()
            try:
                async with asyncio.timeout(_ACK_SECONDS if in_flight or link.is_asked else _QUIET_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                if in_flight or link.is_asked:
                    log.error("router does not answer")
                    return
                link.ping()  # one that hangs is known by its silence
        await self._tell_settled()

    def _table(self) -> Table:
        routes = []
        for app_id, route in self._routes.of.items():
            targets, state = self._targets.get(app_id, ((), WebState.BLANK))
            routes.append(replace(route, targets=targets, state=state))
        default = next((route.app_id for route in routes if route.app_name == self._default_app), "")
        return Table(number=self._number, routes=tuple(routes), default_app_id=default)

    async def _publish(self, *, within: float | None = None) -> None:
        """Raises: TimeoutError."""
        mine = self._next_version()
        async with asyncio.timeout(within):
            await self._until(lambda: self._in_force >= mine)

    async def _withdraw(self) -> None:
        """Return when no router has an older table than the present one: it has this one, or it is gone."""
        mine = self._next_version()
        await self._until(lambda: self._in_force >= mine or self._link is None)

    def _next_version(self) -> int:
        self._version += 1
        self._news.set()
        return self._version

    async def _publish_stored(self) -> None:
        try:
            await self._publish(within=self._publish_seconds)
        except TimeoutError:
            raise Unavailable(
                "The change is stored, but the router does not answer: visitors see the change once it runs again.",
                remedy="The daemon keeps starting it; its log says why that fails.",
            ) from None

    async def _until(self, come_true: Callable[[], bool]) -> None:
        async with self._settled:
            await self._settled.wait_for(come_true)

    async def _tell_settled(self) -> None:
        async with self._settled:
            self._settled.notify_all()

    async def _end_others(self) -> None:
        """Ours serves now: it gets the name, and every other router has only those left who are there.

        Killed in here, we leave a router that nobody finds by its name and that serves by its last table: the next daemon finds
        it among the processes.
        """
        name = self._layout.router_socket
        if self._old is not None:
            with contextlib.suppress(FileNotFoundError):
                os.rename(name.with_name(_SUCCESSOR), name)
            self._nursery.start(self._retire(self._old), name="retire")
        known = {link.pid for link in self._links}
        for stray in await in_thread(find_routers, (name, name.with_name(_SUCCESSOR))):
            if stray.pid not in known:
                log.warning("ending a router that a killed daemon left", extra={"router_pid": stray.pid})
                proc.send(stray, signal.SIGTERM)

    async def _retire(self, link: Link) -> None:
        await link.end(_OLD_ROUTER_SECONDS, idle_within=_OLD_IDLE_SECONDS)
        self._old = None
        self._news.set()

    def _on_lines(self, lines: Sequence[Sequence[str]], dropped: int) -> None:
        if dropped:
            log.warning("router log lines dropped", extra={"lines": dropped})
        for app_id, _level, text in lines:
            self._on_log(UUID(app_id), text)

    def _let_go(self) -> None:
        self._seen.close()
        for door in self._doors:
            door.socket.close()
