"""A router in the test's own loop, with a target that does exactly what the test says, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import uvloop

from pushd.model.routing import Route, Table, Target, WebState
from pushd.router.limits import Limits
from pushd.router.proxy import Proxy
from tests.router.web import Answer, read_answer

QUICK = Limits(tick_seconds=0.01, aside_seconds=0.02, linger_seconds=2)


def quick(**changes: float) -> Limits:
    """QUICK with some of it changed."""
    return replace(QUICK, **changes)  # type: ignore[arg-type]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the router and the daemon really run on."""
    return {"uvloop": uvloop.new_event_loop}


class Wire:
    """One end of a TCP connection, in the hands of the test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def exactly(self, expected: bytes) -> None:
        """The next bytes are these."""
        assert await self.reader.readexactly(len(expected)) == expected

    async def answer(self, *, to_head: bool = False) -> Answer:
        return await read_answer(self.reader, to_head=to_head)

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        return await self.reader.read()

    async def ended(self) -> bool:
        """Whether the other side closes without another byte; a reset counts."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        self.writer.transport.abort()


def small(listening: socket.socket) -> socket.socket:
    """Its connections hold little in the kernel, so that tests see early who is held back."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
    return listening


class ScriptedTarget:
    """Accepts connections and leaves it to the test what happens on them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.connections: asyncio.Queue[Wire] = asyncio.Queue()
        self.accepted = 0
        self.wires: list[Wire] = []

    async def listen(self) -> None:
        listening = small(socket.create_server(("127.0.0.1", 0)))
        self.target = Target(dyno_id=f"id-{self.name}", name=self.name, port=listening.getsockname()[1])
        self.server = await asyncio.start_server(self._on_connection, sock=listening, limit=1 << 20)

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.wires.append(Wire(reader, writer))
        self.connections.put_nowait(self.wires[-1])

    async def accept(self) -> Wire:
        """The next connection that the router opens."""
        return await self.connections.get()

    async def answer(self, answer: bytes) -> tuple[Wire, bytes]:
        """Accept, read a head, answer it."""
        wire = await self.accept()
        head = await wire.head()
        await wire.send(answer)
        return wire, head

    async def close(self) -> None:
        self.server.close()
        for wire in self.wires:
            wire.reset()
        await self.server.wait_closed()


class Front:
    """The router, one app "shop" at shop.localhost, its targets, and the lines that it logged."""

    def __init__(self, proxy: Proxy, route: Route, targets: list[ScriptedTarget]) -> None:
        self.proxy, self.route, self.targets = proxy, route, targets
        self.lines: list[str] = []
        self.drained: list[str] = []
        self.refused: list[str] = []
        self.wires: list[Wire] = []
        self.address: tuple[str, int] = ("", 0)
        proxy.journal.send = lambda lines, dropped: self.lines.extend(text for _, _, text in lines) or True
        proxy.on_drained = self.drained.append
        proxy.on_refused = self.refused.append

    @property
    def target(self) -> ScriptedTarget:
        return self.targets[0]

    def apply(self, **changes: Any) -> None:
        """A new table with these changes to the app's route."""
        self.route = replace(self.route, **changes)
        self.proxy.apply(Table(number=self.proxy.table.number + 1, routes=(self.route,)))

    async def connect(self) -> Wire:
        wire = Wire(*await asyncio.open_connection(*self.address, limit=1 << 20))
        self.wires.append(wire)
        return wire

    async def ask(self, path: str = "/", *, method: str = "GET", more: str = "") -> Wire:
        """A new connection with one request on it."""
        wire = await self.connect()
        await wire.send(f"{method} {path} HTTP/1.1\r\nHost: shop.localhost\r\n{more}\r\n".encode())
        return wire

    async def request_waits(self) -> None:
        """Return when a request of the app waits for a target."""
        while not self.proxy.apps[self.route.app_id].waiting:  # noqa: ASYNC110 - the proxy tells nobody of this
            await asyncio.sleep(0)

    async def line(self) -> str:
        """The next line of the log, once it is there."""
        while not self.lines:
            self.proxy.journal.flush()
            await asyncio.sleep(0)
        return self.lines.pop(0)


Serving = Callable[..., AbstractAsyncContextManager[Front]]


@asynccontextmanager
async def serving_shop(*, targets: int = 1, limits: Limits = QUICK, **route: Any) -> AsyncIterator[Front]:
    """A router in front of so many scripted targets."""
    async with contextlib.AsyncExitStack() as stack:
        scripted = [ScriptedTarget(f"web.{number}") for number in range(1, targets + 1)]
        for each in scripted:
            await each.listen()
            stack.push_async_callback(each.close)
        front = Front(await stack.enter_async_context(Proxy(limits)), _shop(scripted, **route), scripted)
        front.apply()
        with small(socket.create_server(("127.0.0.1", 0))) as listening:
            front.address = listening.getsockname()
            await front.proxy.listen([listening])
        yield front
        for wire in front.wires:
            wire.reset()


def _shop(targets: list[ScriptedTarget], **more: Any) -> Route:
    defaults: dict[str, Any] = {
        "app_id": "shop-id",
        "app_name": "shop",
        "hosts": ("shop.localhost",),
        "targets": tuple(each.target for each in targets),
        "state": WebState.SERVING,
    }
    return Route(**{**defaults, **more})


@pytest.fixture
def serving() -> Serving:
    return serving_shop


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with serving_shop() as front:
        yield front
