"""A small server of attached dynos: it answers `POST dynos`, and a test's own function speaks on the WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.client.fake_api import MADE_AT, TOKEN

SECRET = "0123456789abcdef"


class Line:
    """The server's end of one attached dyno."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.told: list[dict[str, Any]] = []  # what the client said in text, in order
        self._news = asyncio.Event()
        self._input = bytearray()
        self._ended = False

    async def up(self) -> None:
        await self.socket.send_json({"state": "up"})

    async def out(self, data: bytes) -> None:
        await self.socket.send_bytes(b"\x01" + data)

    async def err(self, data: bytes) -> None:
        await self.socket.send_bytes(b"\x02" + data)

    async def exit(self, code: int) -> None:
        await self.socket.send_json({"exit": code})

    async def fail(self, **error: str) -> None:
        await self.socket.send_json({"error": error})

    async def next(self) -> bytes | dict[str, Any] | None:
        """The next message: bytes, an object, or None when the client has gone."""
        message = await self.socket.receive()
        if message.type is WSMsgType.BINARY:
            return bytes(message.data)
        if message.type is WSMsgType.TEXT:
            self.told.append(json.loads(message.data))
            return self.told[-1]
        return None

    async def input(self) -> bytes:
        """All that the client sends until the end of its input."""
        data = bytearray()
        while (message := await self.next()) != {"end_of_input": True}:
            assert message is not None, "the client has gone"
            if isinstance(message, bytes):
                data += message
        return bytes(data)

    async def read_until(self, end: bytes) -> bytes:
        """What is typed, up to these bytes."""
        data = b""
        while not data.endswith(end):
            message = await self.next()
            assert message is not None, "the client has gone"
            if isinstance(message, bytes):
                data += message
        return data

    async def until_told(self, key: str) -> Any:
        """The value of the next message with that key."""
        while True:
            message = await self.next()
            assert message is not None, "the client has gone"
            if isinstance(message, dict) and key in message:
                return message[key]


Speak = Callable[[Line], Awaitable[None]]


@dataclass
class FakeRuns:
    """`speak` is what happens on the line; `asked` are the bodies of POST, by path; `over` is set when `speak` returned."""

    url: str = ""
    speak: Speak | None = None
    asked: dict[str, Any] = field(default_factory=dict)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def create(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        self.asked[request.path] = await request.json()
        name = request.match_info.get("dyno", "run.1234")
        dyno = {
            "id": "d", "name": name, "type": "run", "state": "starting", "size": "standard-1x", "command": "x",
            "attach_url": f"rendezvous://{request.host}/{SECRET}", "release": {"id": "r", "version": 1},
            "created_at": MADE_AT, "updated_at": MADE_AT,
        }  # fmt: skip
        return web.json_response(dyno, status=201)

    async def attach(self, request: web.Request) -> web.WebSocketResponse:
        assert request.match_info["secret"] == SECRET
        assert "Authorization" not in request.headers
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert self.speak
        try:
            await self.speak(Line(socket))
        finally:
            self.over.set()
        await socket.close()
        return socket


@asynccontextmanager
async def fake_runs() -> AsyncIterator[FakeRuns]:
    """A running one, on a free port of 127.0.0.1, in the test's own event loop."""
    runs = FakeRuns()
    application = web.Application()
    application.router.add_post("/apps/{app}/dynos", runs.create)
    application.router.add_post("/apps/{app}/dynos/{dyno}", runs.create)
    application.router.add_get("/-/runs/{secret}", runs.attach)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    runs.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield runs
    finally:
        await runner.cleanup()
