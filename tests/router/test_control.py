"""The daemon's end with real router processes: start, tables, take-over, death, drained."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

import pushd
from pushd.errors import CannotListen, NotFound, Unavailable
from pushd.kit import proc, procfs
from pushd.kit.aio import in_thread
from pushd.kit.clock import SystemClock
from pushd.layout import Layout
from pushd.model.routing import Route, Target, WebState
from pushd.router.control import Router
from pushd.router.link import Link, RouterFailed
from tests.router.web import App, get, read_answer

LIMITS = ("tick_seconds=0.02", "queue_seconds=20")


class Routes:
    """What the store would say."""

    def __init__(self) -> None:
        self.routes: dict[UUID, Route] = {}
        self.pages: dict[UUID, asyncio.Future[str]] = {}  # error pages that come over the network
        self.broken: set[UUID] = set()

    def add(self, name: str, **more: object) -> UUID:
        app_id = uuid4()
        route = Route(app_id=str(app_id), app_name=name, hosts=(f"{name}.localhost",))
        self.routes[app_id] = replace(route, **more)  # type: ignore[arg-type]
        return app_id

    async def route_of(self, app_id: UUID, *, fetch: bool = True) -> Route:
        if app_id in self.broken:
            raise ValueError("a row that makes no sense")
        page = ""
        if fetch and app_id in self.pages:
            page = await self.pages[app_id]
        try:
            return replace(self.routes[app_id], error_page=page)
        except KeyError:
            raise NotFound("gone", resource="app") from None


class World:
    """One data folder; daemons come and go in it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.routes = Routes()
        self.lines: list[tuple[UUID, str]] = []
        self.logged = asyncio.Event()

    def router(self, *, default_app: str = "", **more: float) -> Router:
        return Router(layout=self.layout, routes=self.routes, clock=SystemClock(), default_app=default_app,
                      on_log=self.on_log, limits=LIMITS, **more)  # fmt: skip

    def on_log(self, app_id: UUID, line: str) -> None:
        self.lines.append((app_id, line))
        self.logged.set()

    async def line(self, part: str) -> str:
        """The first line with this in it, now or later."""
        while not (found := [line for _, line in self.lines if part in line]):
            self.logged.clear()
            await self.logged.wait()
        return found[0]


@pytest.fixture
async def world(tmp_path: Path) -> World:
    layout = Layout(tmp_path)
    layout.make()
    return World(layout)


@asynccontextmanager
async def started(router: Router, address: str = "127.0.0.1:0", **more: object) -> AsyncIterator[Router]:
    """A router of a daemon that has named all its apps, none, unless it goes on with a predecessor's.

    Ends the router process too, whatever happens.
    """
    await router.start(address, **more)  # type: ignore[arg-type]
    try:
        if not router.was_running:
            await router.announce({})
        yield router
    finally:
        await router.stop()


def target(app: App, name: str = "web.1") -> Target:
    return Target(dyno_id=str(uuid4()), name=name, port=app.port)


def pid_of(router: Router) -> int:
    assert router.pid is not None
    return router.pid


async def test_a_started_router_serves_what_was_routed(world: World) -> None:
    app_id = world.routes.add("shop")
    async with App() as app, started(world.router()) as router:
        await router.route(app_id, [target(app)], WebState.SERVING)

        answer = await get(router.url, "shop.localhost", "/hello")

        assert answer.status == 200
        assert answer.body == b"GET /hello"
        assert router.addresses == [("127.0.0.1", int(router.url.rpartition(":")[2]))]
        line = await world.line("/hello")
        assert line.startswith('at=info method=GET path="/hello" host=shop.localhost request_id=')
        assert " dyno=web.1 connect=" in line
        assert line.endswith(" status=200 bytes=10 protocol=http")


async def test_the_control_socket_is_for_its_owner_only_and_works_in_a_deep_folder(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ("deep" * 20) / ("deeper" * 15))
    layout.make()
    world = World(layout)
    assert len(str(layout.router_socket)) > 150
    async with started(world.router()):
        assert layout.router_socket.stat().st_mode & 0o777 == 0o600


async def test_stop_leaves_no_process_and_no_socket(world: World) -> None:
    router = world.router()
    await router.start("127.0.0.1:0")
    await router.announce({})
    pid = pid_of(router)
    await router.stop()
    assert procfs.identify(pid) is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(router.addresses[0], timeout=5)


async def test_as_root_the_router_gives_up_root(world: World) -> None:
    async with started(world.router()) as router:
        status = await in_thread(Path(f"/proc/{pid_of(router)}/status").read_text)
    if os.geteuid() == 0:
        assert "CapEff:\t0000000000000000" in status
        assert "Uid:\t0" not in status


async def test_many_changes_at_once_are_few_tables_and_all_in_force(world: World) -> None:
    ids = [world.routes.add(f"app{number}") for number in range(20)]
    async with App() as app, started(world.router()) as router:
        await asyncio.gather(*(router.route(app_id, [target(app)], WebState.SERVING) for app_id in ids))
        answers = [await get(router.url, f"app{number}.localhost") for number in range(20)]
        assert {answer.status for answer in answers} == {200}


async def test_announce_puts_all_apps_into_one_table(world: World) -> None:
    ids = [world.routes.add("one"), world.routes.add("two")]
    async with started(world.router()) as router:
        await router.announce({ids[0]: ((), WebState.NONE), ids[1]: ((), WebState.BLANK)})
        assert b"H14" in (await get(router.url, "one.localhost")).body
        assert b"H81" in (await get(router.url, "two.localhost")).body


async def test_a_start_waits_for_no_page_and_shows_each_once_it_is_there(world: World) -> None:
    ids = [world.routes.add(f"app{number}") for number in range(20)]
    world.routes.pages = {app_id: asyncio.get_running_loop().create_future() for app_id in ids}  # none of them answers
    async with App() as app, started(world.router()) as router:
        await router.announce({ids[0]: ((), WebState.CRASHED)} | {each: ([target(app)], WebState.SERVING) for each in ids[1:]})

        assert {(await get(router.url, f"app{number}.localhost")).status for number in range(1, 20)} == {200}
        assert b"H10" in (await get(router.url, "app0.localhost")).body
        world.routes.pages[ids[0]].set_result("our own page")
        while (answer := await get(router.url, "app0.localhost")).body != b"our own page":
            assert b"H10" in answer.body


async def test_an_app_that_is_forgotten_while_its_page_is_fetched_stays_forgotten(world: World) -> None:
    gone, other = world.routes.add("gone"), world.routes.add("other")
    world.routes.pages = {app_id: asyncio.get_running_loop().create_future() for app_id in (gone, other)}
    async with started(world.router()) as router:
        await router.announce({gone: ((), WebState.CRASHED), other: ((), WebState.CRASHED)})
        await router.forget(gone)
        for page in world.routes.pages.values():
            page.set_result("a page")
        await router.refresh(other)
        while (await get(router.url, "other.localhost")).body != b"a page":
            pass
        assert (await get(router.url, "gone.localhost")).status == 404


async def test_an_app_that_cannot_be_read_keeps_no_other_one_from_its_visitors(world: World) -> None:
    broken, sound = world.routes.add("broken"), world.routes.add("sound")
    world.routes.broken.add(broken)
    async with App() as app, started(world.router()) as router:
        await router.announce({broken: ([target(app)], WebState.SERVING), sound: ([target(app)], WebState.SERVING)})

        assert (await get(router.url, "sound.localhost")).status == 200
        assert (await get(router.url, "broken.localhost")).status == 404
        world.routes.broken.clear()
        await router.refresh(broken)
        assert (await get(router.url, "broken.localhost")).status == 200


async def test_no_table_leaves_an_app_out_because_it_has_not_been_named_yet(world: World) -> None:
    ids = [world.routes.add("one"), world.routes.add("two")]
    async with App() as app:
        first = world.router()
        await first.start("127.0.0.1:0")
        web = target(app)
        await first.announce({app_id: ([web], WebState.SERVING) for app_id in ids})
        await first.leave()
        async with started(world.router()) as second:
            early = asyncio.ensure_future(second.route(ids[0], [web], WebState.SERVING))
            await asyncio.sleep(0)
            assert (await get(second.url, "two.localhost")).status == 200
            await second.announce({app_id: ([web], WebState.SERVING) for app_id in ids})
            await early
            assert {(await get(second.url, f"{name}.localhost")).status for name in ("one", "two")} == {200}


async def test_refresh_shows_what_changed_and_forget_takes_the_app_away(world: World) -> None:
    app_id = world.routes.add("shop")
    async with App() as app, started(world.router()) as router:
        await router.route(app_id, [target(app)], WebState.SERVING)
        world.routes.routes[app_id] = replace(world.routes.routes[app_id], maintenance=True)
        await router.refresh(app_id)
        assert (await get(router.url, "shop.localhost")).status == 503
        world.routes.routes[app_id] = replace(world.routes.routes[app_id], maintenance=False, hosts=("new.localhost",))
        await router.refresh(app_id)
        assert (await get(router.url, "new.localhost")).status == 200
        assert (await get(router.url, "shop.localhost")).status == 404
        await router.forget(app_id)
        assert (await get(router.url, "new.localhost")).status == 404


async def test_the_default_app_is_looked_up_by_name_for_each_table(world: World) -> None:
    app_id = world.routes.add("shop")
    async with App() as app, started(world.router(default_app="front")) as router:
        await router.route(app_id, [target(app)], WebState.SERVING)
        assert (await get(router.url, "127.0.0.1")).status == 404
        world.routes.routes[app_id] = replace(world.routes.routes[app_id], app_name="front")
        await router.refresh(app_id)
        assert (await get(router.url, "127.0.0.1")).status == 200


async def test_an_app_that_is_gone_cannot_be_routed(world: World) -> None:
    async with started(world.router()) as router:
        with pytest.raises(NotFound):
            await router.route(uuid4(), (), WebState.BLANK)


async def test_a_killed_router_is_replaced_and_nobody_is_refused(world: World) -> None:
    app_id = world.routes.add("shop")
    async with App() as app, started(world.router()) as router:
        await router.route(app_id, [target(app)], WebState.SERVING)
        before = pid_of(router)
        os.kill(before, signal.SIGKILL)
        answers = await asyncio.gather(*(get(router.url, "shop.localhost") for _ in range(10)))
        assert {answer.status for answer in answers} == {200}
        assert pid_of(router) != before


async def test_a_router_that_hangs_is_replaced(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushd.router.control._ACK_SECONDS", 0.3)
    app_id = world.routes.add("shop")
    async with App() as app, started(world.router()) as router:
        await router.route(app_id, (), WebState.BOOTING)
        os.kill(pid_of(router), signal.SIGSTOP)
        await router.route(app_id, [target(app)], WebState.SERVING)
        assert (await get(router.url, "shop.localhost")).status == 200


async def test_a_router_that_hangs_while_nothing_changes_is_replaced_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushd.router.control._ACK_SECONDS", 0.3)
    monkeypatch.setattr("pushd.router.control._QUIET_SECONDS", 0.1)
    app_id = world.routes.add("shop")
    async with App() as app, started(world.router()) as router:
        await router.route(app_id, [target(app)], WebState.SERVING)
        os.kill(pid_of(router), signal.SIGSTOP)
        assert (await get(router.url, "shop.localhost")).status == 200


async def test_a_quiet_router_is_asked_without_a_table(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushd.router.control._QUIET_SECONDS", 0.01)
    pings, asked_often = Counter[Link](), asyncio.Event()
    ping = Link.ping

    def count(link: Link) -> None:
        pings[link] += 1
        if pings[link] > 5:  # so five were answered
            asked_often.set()
        ping(link)

    monkeypatch.setattr(Link, "ping", count)
    app_id = world.routes.add("shop")
    async with App() as app:
        router = world.router()
        await router.start("127.0.0.1:0")
        await router.announce({})
        await router.route(app_id, [target(app)], WebState.SERVING)
        before = pid_of(router)

        await asked_often.wait()

        assert pid_of(router) == before
        await router.leave()
        link = await Link.connect(world.layout.router_socket, lambda: None)
        assert link.table_number == 2  # of announce and of route
        await link.end(1)


async def test_a_killed_router_counts_its_targets_as_drained(world: World) -> None:
    app_id = world.routes.add("shop", drain_seconds=600.0)
    async with App() as app, started(world.router()) as router:
        old = target(app)
        await router.route(app_id, [old], WebState.SERVING)
        client = asyncio.ensure_future(get(router.url, "shop.localhost", "/hold"))
        await app.held.wait()
        await router.route(app_id, (), WebState.NONE)
        drained = asyncio.ensure_future(router.drained(UUID(old.dyno_id)))
        await asyncio.sleep(0)
        assert not drained.done()
        os.kill(pid_of(router), signal.SIGKILL)
        await drained
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await client


async def test_drained_waits_for_the_last_request_and_no_longer(world: World) -> None:
    app_id = world.routes.add("shop")
    async with App() as app, started(world.router()) as router:
        old, new = target(app), target(app, "web.2")
        await router.route(app_id, [old], WebState.SERVING)
        client = asyncio.ensure_future(get(router.url, "shop.localhost", "/hold"))
        await app.held.wait()
        await router.route(app_id, [new], WebState.SERVING)
        drained = asyncio.ensure_future(router.drained(UUID(old.dyno_id)))
        assert (await get(router.url, "shop.localhost")).status == 200
        assert not drained.done()
        app.let_go.set()
        await drained
        assert (await client).status == 200
        await router.drained(UUID(old.dyno_id))  # asked again, or never known: at once
        await router.drained(uuid4())


async def test_drained_cuts_what_outlasts_the_drain_time(world: World) -> None:
    app_id = world.routes.add("shop", drain_seconds=0.05)
    async with App() as app, started(world.router()) as router:
        old = target(app)
        await router.route(app_id, [old], WebState.SERVING)
        client = asyncio.ensure_future(get(router.url, "shop.localhost", "/hold"))
        await app.held.wait()
        await router.route(app_id, (), WebState.NONE)
        await router.drained(UUID(old.dyno_id))
        assert (await client).status == 503
        assert 'cause="drain time over" sock=backend' in await world.line("H18")


async def test_without_a_daemon_the_router_serves_on_and_the_next_one_takes_it_over(world: World) -> None:
    app_id = world.routes.add("shop")
    async with App() as app:
        first = world.router()
        await first.start("127.0.0.1:0")
        await first.announce({})
        web = target(app)
        await first.route(app_id, [web], WebState.SERVING)
        pid, url = pid_of(first), first.url
        await first.leave()

        assert (await get(url, "shop.localhost", "/alone")).status == 200

        async with started(world.router()) as second:
            assert second.url == url
            assert pid_of(second) == pid
            assert "dyno=web.1" in await world.line("/alone")  # kept while nobody was there
            assert (await get(url, "shop.localhost")).status == 200  # the last table stays until there is another
            await second.announce({app_id: ((), WebState.NONE)})
            await second.drained(UUID(web.dyno_id))
            assert b"H14" in (await get(url, "shop.localhost")).body


async def test_an_explicit_address_that_differs_is_handed_over_and_the_old_one_closed(world: World) -> None:
    app_id = world.routes.add("shop")
    async with App() as app:
        first = world.router()
        await first.start("127.0.0.1:0")
        await first.announce({})
        await first.route(app_id, [target(app)], WebState.SERVING)
        old, pid = first.addresses[0], pid_of(first)
        await first.leave()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        async with started(world.router(), f"127.0.0.1:{port}") as second:
            assert second.addresses == [("127.0.0.1", port)]
            assert pid_of(second) == pid
            await second.announce({app_id: ([target(app)], WebState.SERVING)})
            assert (await get(second.url, "shop.localhost")).status == 200
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(old, timeout=5)


async def test_port_0_prefers_the_last_port_and_else_takes_a_free_one(world: World) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        async with started(world.router(), last_port=str(port)) as router:
            assert router.addresses[0][1] not in (0, port)
    async with started(world.router(), last_port=str(port)) as router:
        assert router.addresses == [("127.0.0.1", port)]


async def test_a_taken_address_is_refused_with_a_next_step(world: World) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        router = world.router()
        with pytest.raises(CannotListen, match="already in use") as refused:
            await router.start(f"127.0.0.1:{other.getsockname()[1]}")
        assert "--router-listen" in refused.value.remedy
    assert not world.layout.router_socket.exists()


async def test_visitors_may_come_through_a_unix_socket(world: World, tmp_path: Path) -> None:
    app_id = world.routes.add("shop")
    async with App() as app, started(world.router(), f"unix:{tmp_path}/web.sock") as router:
        assert router.url == f"unix:{tmp_path}/web.sock"
        await router.route(app_id, [target(app)], WebState.SERVING)
        assert (await get(router.url, "shop.localhost")).status == 200


async def test_a_router_of_another_version_is_replaced_without_a_lost_request(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app_id = world.routes.add("shop")
    async with App() as app:
        first = world.router()
        await first.start("127.0.0.1:0")
        await first.announce({})
        web = target(app)
        await first.route(app_id, [web], WebState.SERVING)
        url, old = first.url, procfs.identify(pid_of(first))
        assert old is not None
        held = asyncio.ensure_future(get(url, "shop.localhost", "/hold"))
        await app.held.wait()
        await first.leave()
        monkeypatch.setattr(pushd, "__version__", "99.0")
        async with started(world.router()) as second:
            assert second.url == url
            assert (await get(url, "shop.localhost")).status == 200  # the old one serves until the new one has a table
            await second.announce({app_id: ([web], WebState.SERVING)})
            for _ in range(5):
                assert (await get(url, "shop.localhost")).status == 200
            app.let_go.set()
            assert (await held).status == 200
            await proc.ended(old)
            assert (await get(url, "shop.localhost")).status == 200


async def test_a_daemon_killed_while_it_replaces_the_router_leaves_one_that_serves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the successor has a table, after it has one, and after it has the name: the next daemon ends with one router."""
    app_id = world.routes.add("shop")
    async with App() as app:
        first = world.router()
        await first.start("127.0.0.1:0")
        web = target(app)
        await first.announce({app_id: ((web,), WebState.SERVING)})
        url, routers = first.url, [procfs.identify(pid_of(first))]
        await first.leave()

        monkeypatch.setattr(pushd, "__version__", "99.0")
        second = world.router()
        await second.start("127.0.0.1:0")
        routers.append(procfs.identify(pid_of(second)))
        await second.leave()
        assert (await get(url, "shop.localhost")).status == 200

        with monkeypatch.context() as patch:
            patch.setattr(Router, "_end_others", _dies_first)
            third = world.router()
            await third.start("127.0.0.1:0")
            routers.append(procfs.identify(pid_of(third)))
            await third.announce({app_id: ((web,), WebState.SERVING)})
            await third.leave()
        assert (await get(url, "shop.localhost")).status == 200

        with monkeypatch.context() as patch:
            patch.setattr("pushd.router.control.find_routers", lambda paths: [])
            patch.setattr(Router, "_retire", _dies_first)
            fourth = world.router()
            await fourth.start("127.0.0.1:0")
            await fourth.announce({app_id: ((web,), WebState.SERVING)})
            last = procfs.identify(pid_of(fourth))
            await fourth.leave()

        monkeypatch.undo()  # each router process is of the real version
        async with started(world.router()) as fifth:
            assert fifth.url == url
            await fifth.announce({app_id: ((web,), WebState.SERVING)})
            for who in routers:
                assert who is not None
                await proc.ended(who)
                proc.reap(who.pid)
            assert procfs.identify(pid_of(fifth)) == last
            assert (await get(url, "shop.localhost")).status == 200


async def _dies_first(*_: object) -> None:
    """Stands for what a killed daemon did not come to."""


async def test_a_kept_connection_gets_its_next_answer_from_a_router_that_is_replaced(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app_id = world.routes.add("shop")
    async with App() as app:
        first = world.router()
        await first.start("127.0.0.1:0")
        web = target(app)
        await first.announce({app_id: ((web,), WebState.SERVING)})
        old = procfs.identify(pid_of(first))
        assert old is not None
        reader, writer = await asyncio.open_connection(*first.addresses[0])
        writer.write(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")
        assert "connection" not in (await read_answer(reader)).headers
        await first.leave()
        monkeypatch.setattr(pushd, "__version__", "99.0")
        async with started(world.router()) as second:
            await second.announce({app_id: ((web,), WebState.SERVING)})
            headers: dict[str, str] = {}
            while "connection" not in headers:
                writer.write(b"GET /next HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")
                answer = await read_answer(reader)
                assert (answer.status, answer.body) == (200, b"GET /next")
                headers = answer.headers
            assert headers["connection"] == "close"
            assert await reader.read() == b""
            writer.close()
            await proc.ended(old)


async def test_something_else_at_the_control_socket_is_not_taken_for_a_router(world: World) -> None:
    server = await asyncio.start_unix_server(
        lambda reader, writer: writer.write(b"\x00\x00\x00\x02{}") or writer.close(), str(world.layout.router_socket)
    )
    async with server:
        with pytest.raises(RouterFailed, match="does not answer as a router"):
            await Link.connect(world.layout.router_socket, lambda: None)


async def test_a_predecessors_router_that_hangs_is_replaced(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushd.router.link._HELLO_SECONDS", 0.3)
    app_id = world.routes.add("shop")
    async with App() as app:
        first = world.router()
        await first.start("127.0.0.1:0")
        await first.announce({})
        port = first.addresses[0][1]
        os.kill(pid_of(first), signal.SIGSTOP)
        await first.leave()
        async with started(world.router(), last_port=str(port)) as second:
            assert second.addresses == [("127.0.0.1", port)]
            await second.route(app_id, [target(app)], WebState.SERVING)
            assert (await get(second.url, "shop.localhost")).status == 200


async def test_stop_while_a_killed_router_is_replaced_leaves_no_process(world: World) -> None:
    for turns in (0, 4, 8, 16):
        router = world.router()
        await router.start("127.0.0.1:0")
        await router.announce({})
        os.kill(pid_of(router), signal.SIGKILL)
        for _ in range(turns):
            await asyncio.sleep(0.01)
        await router.stop()


async def test_a_router_that_does_not_start_says_where_to_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(RouterFailed) as failed:
        await world.router().start("127.0.0.1:0")
    assert "router.log" in failed.value.remedy


async def test_term_ends_a_router_gracefully(world: World) -> None:
    app_id = world.routes.add("shop")
    async with App() as app:
        router = world.router()
        await router.start("127.0.0.1:0")
        await router.announce({})
        await router.route(app_id, [target(app)], WebState.SERVING)
        held = asyncio.ensure_future(get(router.url, "shop.localhost", "/hold"))
        await app.held.wait()
        who = procfs.identify(pid_of(router))
        assert who is not None
        await router.leave()
        proc.send(who, signal.SIGTERM)
        app.let_go.set()
        assert (await held).status == 200
        await proc.ended(who)
        proc.reap(who.pid)


async def test_a_change_is_kept_while_no_router_can_be_started(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    app_id = world.routes.add("shop")
    can_start = asyncio.Event()

    async def starts_late(self: Router) -> Link:
        if not can_start.is_set():
            raise RouterFailed("cannot start the router: there is no memory")
        return await start(self)

    start = Router._started
    async with App() as app, started(world.router(publish_seconds=0.2)) as router:
        await router.route(app_id, [target(app)], WebState.SERVING)
        monkeypatch.setattr(Router, "_started", starts_late)
        await in_thread(os.kill, pid_of(router), signal.SIGKILL)
        with pytest.raises(Unavailable, match="is stored"):
            await router.refresh(app_id)
        switched = asyncio.ensure_future(router.route(app_id, [target(app)], WebState.SERVING))
        with pytest.raises(Unavailable, match="is stored"):
            await router.refresh(app_id)
        assert not switched.done()

        can_start.set()

        await switched
        assert (await get(router.url, "shop.localhost", "/")).status == 200


async def test_a_switch_is_given_up_when_no_router_can_be_started(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    app_id = world.routes.add("shop")
    can_start = asyncio.Event()

    async def starts_late(self: Router) -> Link:
        if not can_start.is_set():
            raise RouterFailed("cannot start the router: there is no memory")
        return await start(self)

    start = Router._started
    async with App() as app, App() as newer, started(world.router()) as router:
        await router.route(app_id, [target(app)], WebState.SERVING)
        monkeypatch.setattr(Router, "_started", starts_late)
        await in_thread(os.kill, pid_of(router), signal.SIGKILL)

        with pytest.raises(Unavailable, match="visitors stay where they are"):
            await router.route(app_id, [target(newer)], WebState.SERVING, within=0.1)

        await newer.__aexit__(None, None, None)  # a boot that failed ends its dynos
        can_start.set()
        assert (await get(router.url, "shop.localhost")).status == 200


async def test_a_switch_that_is_given_up_holds_at_no_router(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The router may have put the table in force and not have said so: it must have the older targets again, or be gone."""
    monkeypatch.setattr("pushd.router.control._ACK_SECONDS", 0.5)
    app_id = world.routes.add("shop")
    async with App() as app, App() as newer, started(world.router()) as router:
        await router.route(app_id, [target(app)], WebState.SERVING)
        hanging = procfs.identify(pid_of(router))
        assert hanging is not None
        os.kill(hanging.pid, signal.SIGSTOP)

        with pytest.raises(Unavailable, match="visitors stay where they are"):
            await router.route(app_id, [target(newer)], WebState.SERVING, within=0.1)

        assert not procfs.is_alive(hanging)
        assert (await get(router.url, "shop.localhost")).status == 200
        assert not newer.tasks
