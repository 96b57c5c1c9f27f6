"""A command in a dyno, attached to this program's own terminal or pipes; the one module of the client with an event loop.

The server has a WebSocket for each attached dyno (docs/api.md). What this program reads goes there as it is, what comes from
there is written to stdout or stderr as it is, and the command's exit code is what `run` gives back.

Waiting:  a stream is read and written when it is ready, in pieces that do not block then, and nothing is read from the one side
          while the other is full: 10 MB need no more memory than 10 KB, and signals are heard meanwhile.
Signals:  with a terminal, keys are bytes (^C is the far program's), and a signal to this program ends it and hangs up. Without
          one, INT, TERM and HUP are sent on; the third of a kind ends this program, however the far one takes it.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp

from pushd.client.terminal import Terminal
from pushd.client.transport import NotOurs, Unreachable, folder_of_socket, refusal, tls_context
from pushd.errors import PushdError
from pushd.kit.aio import Nursery

CONNECT_SECONDS = 10.0
READ_BYTES = 1 << 16
STDIN, STDOUT, STDERR = 0, 1, 2
ASKED_OFTEN_ENOUGH = 3
SENT_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ENDING = (*SENT_ON, signal.SIGQUIT)
KEEPALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}  # a dead network is noticed in a minute


@dataclass(frozen=True, slots=True)
class Attachment:
    """Where a dyno waits for whoever started it. `secret` is good for one connection; `ca_file` is trusted too."""

    server: str
    secret: str
    dyno: str
    ca_file: str | None

    def __repr__(self) -> str:
        return f"Attachment(server={self.server!r}, dyno={self.dyno!r})"


def run(attachment: Attachment, terminal: Terminal | None, *, on_up: Callable[[], None]) -> int:
    """Stay with the command until it ends; its exit code, or 128 + N if signal N ended this program first.

    `terminal` None means pipes and files. `on_up` is called when the command runs.
    Raises: Unreachable (never there, or lost), PushdError (refused).
    """
    return asyncio.run(_attached(attachment, terminal, on_up))


async def _attached(attachment: Attachment, terminal: Terminal | None, on_up: Callable[[], None]) -> int:
    async with AsyncExitStack() as stack:
        link = await _connect(stack, attachment)
        nursery = await stack.enter_async_context(Nursery("run"))
        return await _Run(attachment, link, terminal, nursery).until_it_ends(on_up)


async def _connect(stack: AsyncExitStack, attachment: Attachment) -> aiohttp.ClientWebSocketResponse:
    server, connector = attachment.server, None
    if server.startswith("unix:"):
        folder, name = stack.enter_context(folder_of_socket(server.removeprefix("unix:")))
        server, connector = "http://localhost", aiohttp.UnixConnector(f"/proc/self/fd/{folder}/{name}")
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS)
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, timeout=timeout))
    ssl = tls_context(attachment.ca_file) if server.startswith("https:") else True
    try:
        link = await session.ws_connect(f"{server}/-/runs/{attachment.secret}", ssl=ssl)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unreachable(
            f"Cannot attach to {attachment.dyno}: {attachment.server} did not let us in.",
            remedy="Look at `pushd ps`, then try again.",
        ) from error
    _keep_alive(link.get_extra_info("socket"))
    return link


class _Run:
    """One attached command: what is read, what is written, and which signals came meanwhile."""

    def __init__(
        self, attachment: Attachment, link: aiohttp.ClientWebSocketResponse, terminal: Terminal | None, nursery: Nursery
    ) -> None:
        self._attachment = attachment
        self._link = link
        self._terminal = terminal
        self._nursery = nursery
        self._heard: dict[int, int] = {}  # signal -> how often
        self._ended_by = 0
        self._main: asyncio.Task[Any] | None = None

    async def until_it_ends(self, on_up: Callable[[], None]) -> int:
        self._main = asyncio.current_task()
        try:
            return await self._receive(on_up)
        except asyncio.CancelledError:
            if not self._ended_by:
                raise
            return 128 + self._ended_by
        except BrokenPipeError:
            return 128 + signal.SIGPIPE  # whoever read our output has seen enough
        finally:
            self._leave()

    async def _receive(self, on_up: Callable[[], None]) -> int:
        async for message in self._link:
            if message.type is aiohttp.WSMsgType.BINARY:
                await _write(STDERR if message.data[:1] == b"\x02" else STDOUT, memoryview(message.data)[1:])
            elif message.type is aiohttp.WSMsgType.TEXT:
                match _parse_news(message.data):
                    case {"exit": int(code)}:
                        return code
                    case {"error": dict(error)}:
                        raise refusal(422, error)
                    case {"state": "up"}:
                        self._listen_to_signals()
                        on_up()
                        self._begin()
                    case _:
                        raise NotOurs(
                            f"{self._attachment.server} said something that this pushd does not understand.",
                            remedy="Are the server and this program of one version? `pushd version` tells.",
                        )
        raise Unreachable(f"The server went away while {self._attachment.dyno} ran; `pushd ps` tells whether it still does.")

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in ENDING if self._terminal else SENT_ON:
            if signal.getsignal(number) is not signal.SIG_IGN:  # `nohup pushd run ...` stays deaf
                loop.add_signal_handler(number, self._on_signal, number)
        if self._terminal:
            loop.add_signal_handler(signal.SIGWINCH, self._tell_size, self._terminal)
            loop.add_signal_handler(signal.SIGTSTP, self._pause, self._terminal)

    def _begin(self) -> None:
        """The command runs: the keyboard is its own now, or what we read."""
        if self._terminal:
            self._terminal.make_raw()
            self._tell_size(self._terminal)
        self._nursery.start(self._send_input(), name="input")

    def _leave(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGWINCH, signal.SIGTSTP, *ENDING):
            loop.remove_signal_handler(number)
        if self._terminal:
            self._terminal.restore()

    def _on_signal(self, number: signal.Signals) -> None:
        self._heard[number] = self._heard.get(number, 0) + 1
        if self._terminal or self._heard[number] >= ASKED_OFTEN_ENOUGH:
            self._ended_by = number
            if self._main:
                self._main.cancel()
        else:
            self._tell({"signal": number.name.removeprefix("SIG")})

    def _pause(self, terminal: Terminal) -> None:
        """Somebody stopped this program (not with ^Z, which is a byte): the shell gets its terminal as it was."""
        terminal.restore()
        os.kill(os.getpid(), signal.SIGSTOP)
        terminal.make_raw()
        self._tell_size(terminal)

    def _tell_size(self, terminal: Terminal) -> None:
        self._tell({"resize": terminal.size._asdict()})

    def _tell(self, message: dict[str, Any]) -> None:
        self._nursery.start(self._send(message), name="tell", expected=ConnectionError)

    async def _send(self, message: dict[str, Any]) -> None:
        await self._link.send_str(json.dumps(message))

    async def _send_input(self) -> None:
        try:
            while data := await _read(STDIN):
                await self._link.send_bytes(data)
            await self._send({"end_of_input": True})
        except ConnectionError:
            pass  # whoever receives tells how it ended


async def _read(stream: int) -> bytes:
    """What there is to read, as soon as there is some; b"" at the end, and of a stream that cannot be read."""
    loop = asyncio.get_running_loop()
    try:
        await _ready(stream, loop.add_reader, loop.remove_reader)
        return os.read(stream, READ_BYTES)
    except BlockingIOError:  # somebody else was quicker
        return await _read(stream)
    except OSError:
        return b""


async def _write(stream: int, data: memoryview) -> None:
    """All of it. Raises: BrokenPipeError when nobody reads any more, PushdError for what else may happen to a file."""
    loop = asyncio.get_running_loop()
    while data:
        try:
            await _ready(stream, loop.add_writer, loop.remove_writer)
            data = data[os.write(stream, data[: select.PIPE_BUF]) :]
        except BlockingIOError:
            continue
        except BrokenPipeError:
            raise
        except OSError as error:
            raise PushdError(f"Cannot write what the command prints: {error.strerror}.") from error


async def _ready(stream: int, watch: Callable[..., None], forget: Callable[[int], bool]) -> None:
    """Return when the stream can be read, or written; a regular file always can."""
    ready = asyncio.Event()
    try:
        watch(stream, ready.set)
    except PermissionError:
        return await asyncio.sleep(0)  # nothing to wait for; the others get their turn
    try:
        await ready.wait()
    finally:
        forget(stream)


def _parse_news(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _keep_alive(connection: socket.socket | None) -> None:
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE.items():
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
