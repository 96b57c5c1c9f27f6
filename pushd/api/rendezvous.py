"""Attached one-off dynos for the Heroku CLI: inside TLS, a line with a secret, then bare bytes both ways.

Source: `heroku run` of the CLI 11: what it sends, and that it throws the first record away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from aiohttp import web

from pushd.access.actions import Action
from pushd.access.standing import Standing
from pushd.api.answers import base_url
from pushd.api.connection import keep_alive, until_gone
from pushd.api.needs import Runs
from pushd.api.runs import maybe_claim
from pushd.api.strangers import Strangers
from pushd.errors import PushdError
from pushd.kit.aio import Nursery, first
from pushd.story.rooms import Attached

log = logging.getLogger(__name__)

_GREETING = b"rendezvous\r\n"  # the CLI shows "up" at the first record and throws it away
_EXIT_SUFFIX = ' ; echo "\uffff heroku-command-exit-status: $?"'  # what --exit-code adds to the command
_MARKED = "?exit-status"  # in the URL, for a command that had the suffix: we write the mark ourselves
_END_OF_INPUT = b"\x04"
_QUIET_SECONDS = 0.2  # after a 0x04 that ends what came so far: if nothing follows, it is the end of the input
_SILENT_SECONDS = 20.0
_LONGEST_LINE_BYTES = 200
_CHUNK_BYTES = 1 << 16
_DEFAULT_PORTS = {"http": 80, "https": 443}


def split_exit_mark(command: str) -> tuple[str, bool]:
    """The command without what `heroku run --exit-code` adds to it, and whether it was there.

    The CLI finds the status only if all of its text comes in one record, and `exit` in the command would never reach it.
    """
    return command.removesuffix(_EXIT_SUFFIX), command.endswith(_EXIT_SUFFIX)


def attach_url(request: web.Request, secret: str, *, is_marked: bool) -> str:
    """Where the client of this dyno comes to: this very server, as the client sees it."""
    scheme, _, host = base_url(request).partition("://")
    has_port = host.rpartition("]")[2].rpartition(":")[1]
    port = "" if has_port else f":{_DEFAULT_PORTS[scheme]}"
    return f"rendezvous://{host}{port}/{secret}{_MARKED if is_marked else ''}"


class TlsDoor(asyncio.Protocol):
    """The first byte inside TLS tells: HTTP methods are of capital letters, our secrets have none."""

    def __init__(
        self, http: Callable[[], asyncio.Protocol], meet: Callable[[asyncio.Transport, bytes], None], strangers: Strangers
    ) -> None:
        self._http = http
        self._meet = meet
        self._strangers = strangers
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's TLS transports are none by their class
        self._strangers.wait_for(transport, _SILENT_SECONDS)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        assert transport is not None
        if data[:1].islower() or data[:1].isdigit():
            self._strangers.wait_for(transport, 2 * _SILENT_SECONDS)  # until it has brought its secret
            self._meet(transport, data)
            return
        http = self._http()
        transport.set_protocol(http)
        http.connection_made(transport)
        http.data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._strangers.known(self._transport)


class Rendezvous:
    """Brings clients together with the dynos that wait for them."""

    def __init__(self, runs: Runs, standing: Standing, strangers: Strangers) -> None:
        self._runs = runs
        self._strangers = strangers
        self._standing = standing
        self._nursery = Nursery("rendezvous")

    async def close(self) -> None:
        """Cut all connections: their dynos end."""
        await self._nursery.close()

    def meet(self, transport: asyncio.Transport, data: bytes) -> None:
        """Take over a connection that began with these bytes."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_CHUNK_BYTES, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        transport.set_write_buffer_limits(high=1, low=0)  # so that a drain means: it is on its way (0 never ends in uvloop)
        keep_alive(transport)
        protocol.data_received(data)
        client = _Client(reader, asyncio.StreamWriter(transport, protocol, reader, loop))
        self._nursery.start(self._serve(client), name="attached run")

    async def _serve(self, client: _Client) -> None:
        try:
            secret, _, query = (await client.line()).partition("?")
            if (attached := await maybe_claim(self._runs, self._standing, secret)) is not None:
                self._strangers.known(client.transport)
                try:
                    with self._standing.watch(attached.user, Action.RUN, attached.app_id) as lost:
                        await client.follow(attached, lost, is_marked=f"?{query}" == _MARKED)
                finally:
                    attached.leave()
        except (OSError, TimeoutError):
            pass  # the client went away, or never said what it wants
        finally:
            client.close()


class _Client:
    """One connection, after its first bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = b""  # came with the line

    @property
    def transport(self) -> asyncio.BaseTransport:
        return self._writer.transport

    async def line(self) -> str:
        """The secret that it comes with, "" if what it sends is no such line. Raises: TimeoutError."""
        found = b""
        async with asyncio.timeout(_SILENT_SECONDS):
            while b"\n" not in found and len(found) <= _LONGEST_LINE_BYTES:
                data = await self._reader.read(_LONGEST_LINE_BYTES)
                if not data:
                    return ""
                found += data
        line, newline, self._rest = found.partition(b"\n")
        return line.rstrip(b"\r").decode("ascii", "replace") if newline else ""

    async def follow(self, attached: Attached, lost: asyncio.Event, *, is_marked: bool) -> None:
        """Carry bytes both ways until the program has ended, the client is gone, or it has `lost` the right to be here."""
        try:
            await attached.start(merged=True, resizable=False)
        except PushdError as error:
            await self._send(_GREETING)
            await self._send(f" !    {error.message}\r\n".encode())
            await self._send(_mark(1) if is_marked else b"")
            return
        await self._send(_GREETING)
        await first(
            self._to_client(attached, is_marked),
            self._to_program(attached),
            attached.idle(),
            lost.wait(),
            until_gone(self._writer.transport),
        )

    def close(self) -> None:
        """What was sent still arrives."""
        self._writer.close()

    async def _to_client(self, attached: Attached, is_marked: bool) -> None:
        while (found := await attached.read()) is not None:
            await self._send(found[1])
        status = await attached.exit_status()
        if is_marked:
            await self._send(_mark(status))

    async def _to_program(self, attached: Attached) -> None:
        """Returns when the client is gone."""
        while data := await self._next():
            if attached.has_terminal:  # every key, ^D too
                await attached.write(data)
                continue
            await attached.write(data.removesuffix(_END_OF_INPUT))
            if data.endswith(_END_OF_INPUT):
                await self._end_input(attached)

    async def _end_input(self, attached: Attached) -> None:
        """0x04 was the last byte so far: what follows tells whether it is data, and nothing that it is the end."""
        try:
            async with asyncio.timeout(_QUIET_SECONDS):
                following = await self._reader.read(_CHUNK_BYTES)
        except TimeoutError:
            await attached.end_input()
        else:
            self._rest = _END_OF_INPUT + following if following else b""

    async def _next(self) -> bytes:
        """What comes next, b"" from a client that is gone."""
        data, self._rest = self._rest, b""
        return data or await self._reader.read(_CHUNK_BYTES)

    async def _send(self, data: bytes) -> None:
        """As a record of its own."""
        if data:
            self._writer.write(data)
            await self._writer.drain()


def _mark(status: int) -> bytes:
    return f"\uffff heroku-command-exit-status: {status}\n".encode()
