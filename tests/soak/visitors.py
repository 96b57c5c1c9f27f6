"""Visitors of all apps, for as long as the soak lasts: they look at every answer and keep what failed, when, and how."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress

from tests.router.web import Answer, read_answer
from tests.soak.causes import Failure

TIMEOUT_SECONDS = 120.0  # longer than the router holds anybody
_PIECES_A_SECOND = 5  # of the fixture's streams
_BODY = b"x" * 2000


class Wrong(Exception):
    """An answer that is none."""


class Connection:
    """One connection to the router."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.asked_at = time.monotonic()

    async def ask(self, app: str, path: str, *, method: str = "GET", more: str = "", body: bytes = b"") -> Answer:
        head = f"{method} {path} HTTP/1.1\r\nHost: {app}.localhost\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        if method == "GET":
            head = f"GET {path} HTTP/1.1\r\nHost: {app}.localhost\r\n{more}\r\n"
        self.asked_at = time.monotonic()
        self.writer.write(head.encode() + body)
        return await read_answer(self.reader)


class Visitors:
    """Runs in a thread with a loop of its own, between `__enter__` and `__exit__`."""

    def __init__(self, router: str, apps: list[str], *, stream_seconds: float = 8.0, without: Collection[str] = ()) -> None:
        """`stream_seconds`: less than the drain time of a dyno that is replaced; `without`: kinds of visitors to leave out."""
        host, _, port = router.removeprefix("http://").rpartition(":")
        self.address = (host, int(port))
        self.apps = apps
        self._stream_seconds = stream_seconds
        self._without = without
        self.answers: Counter[str] = Counter()  # by kind of visitor
        self.failures: list[Failure] = []
        self.reopened: list[Failure] = []  # kept connections that were found closed; asked again on a new one
        self.took: list[tuple[float, float]] = []  # when an answer came, and after how many seconds
        self.told: dict[str, dict[str, int]] = {app: {} for app in apps}  # the highest line number told, by app and token
        self._began: dict[asyncio.Task[None], float] = {}
        self._thread = threading.Thread(target=lambda: asyncio.run(self._visit_all()), name="visitors")
        self._started = threading.Event()

    def __enter__(self) -> Visitors:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *error: object) -> None:
        self.loop.call_soon_threadsafe(self.stop.set)
        self._thread.join()

    async def _visit_all(self) -> None:
        self.loop, self.stop = asyncio.get_running_loop(), asyncio.Event()
        self._started.set()
        kinds: list[tuple[str, Callable[[str], Awaitable[None]]]] = [
            ("keep", self._keep), ("fresh", self._fresh), ("post", self._post), ("slow", self._slow),
            ("stream", self._stream), ("upgraded", self._upgraded),
        ]  # fmt: skip
        async with asyncio.TaskGroup() as group:
            for app in self.apps:
                for kind, visit in [each for each in kinds if each[0] not in self._without]:
                    group.create_task(self._go_on(app, kind, visit), name=f"{app} {kind}")

    async def _go_on(self, app: str, kind: str, visit: Callable[[str], Awaitable[None]]) -> None:
        while not self.stop.is_set():
            await visit(app)

    # -- kinds of visitors

    async def _keep(self, app: str) -> None:
        """Many requests on one connection."""
        connection: Connection | None = None
        while not self.stop.is_set():
            connection = await self._once(app, "keep", "/", kept=connection)
            await self._rest(0.15)
        if connection is not None:
            connection.writer.close()

    async def _fresh(self, app: str) -> None:
        await self._once(app, "fresh", "/", more="Connection: close\r\n")
        await self._rest(0.25)

    async def _post(self, app: str) -> None:
        await self._once(app, "post", "/", method="POST", body=_BODY, more="Connection: close\r\n")
        await self._rest(1)

    async def _slow(self, app: str) -> None:
        await self._once(app, "slow", "/slow/1.5", more="Connection: close\r\n")
        await self._rest(0.5)

    async def _stream(self, app: str) -> None:
        await self._once(app, "stream", f"/stream/{self._stream_seconds:g}", more="Connection: close\r\n")
        await self._rest(0.5)

    async def _upgraded(self, app: str) -> None:
        """A connection that speaks its own protocol until somebody ends it."""
        began = time.monotonic()
        connection: Connection | None = None
        try:
            connection = await self._open()
            answer = await connection.ask(app, "/echo", more="Connection: Upgrade\r\nUpgrade: echo\r\n")
            if answer.status != 101:
                raise Wrong(_shown(answer))
            self._note_line(app, answer)
            number = 0
            while not self.stop.is_set():
                number += 1
                connection.writer.write(b"%d\n" % number)
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    line = await connection.reader.readline()
                if line != b"%d\n" % number:
                    raise Wrong(f"the connection ended after {number - 1} echoes" if not line else f"echo {line!r}")
                self.answers["upgraded"] += 1
                await self._rest(0.5)
        except (OSError, EOFError, Wrong, TimeoutError) as error:
            self._fail(app, "upgraded", began, error, upgraded=True)
            await self._rest(0.5)
        finally:
            if connection is not None:
                connection.writer.close()

    # -- one request

    async def _once(
        self, app: str, kind: str, path: str, *, method: str = "GET", body: bytes = b"", more: str = "",
        kept: Connection | None = None,
    ) -> Connection | None:  # fmt: skip
        """Ask once and look at the answer; gives the connection if it can carry another request."""
        began = time.monotonic()
        connection, last = kept, kept.asked_at if kept else began  # whatever closes a kept connection does so after `last`
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                connection = connection or await self._open()
                answer = await connection.ask(app, path, method=method, more=more, body=body)
            self._check(app, kind, answer, body)
        except (OSError, EOFError, ValueError, Wrong, TimeoutError) as error:
            if connection is not None:
                connection.writer.close()
            if kept is not None and isinstance(error, (OSError, EOFError)) and not getattr(error, "partial", b""):
                self.reopened.append(Failure(app, kind, last, time.monotonic(), "a kept connection was closed"))
                return await self._once(app, kind, path, method=method, body=body, more=more)
            self._fail(app, kind, began, error)
            return None
        except asyncio.CancelledError:
            if connection is not None:
                connection.writer.close()
            raise
        now = time.monotonic()
        self.answers[kind] += 1
        if kind in ("keep", "fresh", "post"):
            self.took.append((now, now - began))
        if answer.headers.get("connection", "").lower() == "close":
            connection.writer.close()
            return None
        return connection

    async def _open(self) -> Connection:
        return Connection(*await asyncio.open_connection(*self.address))

    def _check(self, app: str, kind: str, answer: Answer, body: bytes) -> None:
        if answer.status != 200:
            raise Wrong(_shown(answer))
        if kind == "post":
            fits = answer.body == body
        elif kind == "stream":
            fits = answer.body == b"".join(b"%d " % number for number in range(int(self._stream_seconds * _PIECES_A_SECOND)))
        else:
            fits = answer.body.split(b" ")[0] == app.encode()
        if not fits:
            raise Wrong(f"not this app's answer: {answer.body[:200]!r}")
        self._note_line(app, answer)

    def _note_line(self, app: str, answer: Answer) -> None:
        token, _, number = answer.headers["line"].partition(" ")
        self.told[app][token] = max(self.told[app].get(token, 0), int(number))

    def _fail(self, app: str, kind: str, began: float, error: BaseException, *, upgraded: bool = False) -> None:
        what = str(error) if isinstance(error, Wrong) else repr(error)
        self.failures.append(Failure(app, kind, began, time.monotonic(), what, upgraded))

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stop.wait()


def _shown(answer: Answer) -> str:
    """Its status, and the code on a page of the router's."""
    code = re.search(rb"Code: (H\d\d)", answer.body)
    return f"{answer.status} {code[1].decode() if code else answer.body[:200]!r}"
