"""The router's end of the control socket: takes tables and listening sockets, tells what happens."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from pushd.kit.aio import Nursery
from pushd.model.routing import table_from_dict
from pushd.router.frames import Channel, Message, listen_at
from pushd.router.journal import Line
from pushd.router.proxy import Proxy

log = logging.getLogger(__name__)

_LINES_BACKLOG_BYTES = 1 << 20  # a daemon that reads this slowly gets the rest later


@dataclass(frozen=True, slots=True)
class Stop:
    """How long what is under way may take, and how long a client's idle connection may wait for one more request."""

    within: float  # seconds
    idle_within: float


class ControlServer:
    """Obeys one daemon at a time: a new connection replaces the one before. Without any, the last table stays in force."""

    def __init__(self, proxy: Proxy, path: str, *, version: str) -> None:
        self.stop: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()  # done once asked to end
        self._proxy = proxy
        self._path = path
        self._version = version
        self._channel: Channel | None = None
        self._listening: list[socket.socket] = []  # what the daemon handed over; the proxy accepts on copies
        self._addresses: list[str] = []  # of each, as the daemon calls them
        self._messages: asyncio.Queue[tuple[Channel, Message, list[socket.socket]]] = asyncio.Queue()
        self._nursery = Nursery("control")
        self._control = listen_at(path)
        self._inode = os.stat(path).st_ino
        proxy.on_drained = lambda dyno_id: self._tell({"type": "drained", "dyno_id": dyno_id})
        proxy.on_refused = lambda dyno_id: self._tell({"type": "refused", "dyno_id": dyno_id})
        proxy.journal.send = self._send_lines

    def start(self) -> None:
        """Let daemons connect."""
        asyncio.get_running_loop().add_reader(self._control, self._on_connection)
        self._nursery.start(self._obey(), name="obey")

    async def close(self) -> None:
        """Be found by no daemon any more; the one that is connected sees the connection end."""
        self.hide()
        await self._nursery.close()
        if self._channel is not None:
            self._channel.close()
        for each in self._listening:
            each.close()

    def hide(self) -> None:
        """Take no new daemon: the next one starts a router of its own."""
        if self._control.fileno() < 0:
            return
        asyncio.get_running_loop().remove_reader(self._control)
        with contextlib.suppress(OSError):  # an unprivileged router may not; connecting is refused then
            if os.stat(self._path).st_ino == self._inode:  # else a successor has taken our place
                os.unlink(self._path)
        self._control.close()

    @property
    def is_forgotten(self) -> bool:
        """No daemon is there, and none has ever sent a table: nobody will miss us."""
        return self._channel is None and self._proxy.table.number == 0

    def _on_connection(self) -> None:
        try:
            connection, _ = self._control.accept()
        except OSError:
            return
        if self._channel is not None:
            self._channel.close()
        channel = self._channel = Channel(connection)
        channel.on_message = lambda message, sockets: self._messages.put_nowait((channel, message, sockets))
        channel.on_closed = lambda: self._on_closed(channel)
        channel.on_sent = self._proxy.journal.flush_soon
        live = [dyno_id for dyno_id, target in self._proxy.targets.items() if target.leaves_at is None]
        hello = {
            "type": "hello", "version": self._version, "pid": os.getpid(), "table": self._proxy.table.number,
            "addresses": self._addresses,
            "targets": live, "draining": self._proxy.draining,
        }  # fmt: skip
        channel.send(hello, self._listening)
        self._proxy.journal.flush()

    def _on_closed(self, channel: Channel) -> None:
        if self._channel is channel:
            self._channel = None

    async def _obey(self) -> None:
        while True:
            channel, message, sockets = await self._messages.get()
            if channel is not self._channel:  # said by a daemon that has been replaced meanwhile
                for each in sockets:
                    each.close()
                continue
            try:
                await self._do(message, sockets)
            except (KeyError, TypeError, ValueError):
                log.exception("message not understood", extra={"type": message.get("type")})
                channel.close()

    async def _do(self, message: Message, sockets: list[socket.socket]) -> None:
        match message["type"]:
            case "listen":
                await self._listen(sockets, list(message["addresses"]))
            case "table":
                await self._apply(message)
            case "ping":
                self._tell({"type": "ack", "number": self._proxy.table.number})
            case "stop" if not self.stop.done():
                self.stop.set_result(Stop(float(message["within"]), float(message.get("idle_within", 0.0))))

    async def _listen(self, sockets: list[socket.socket], addresses: list[str]) -> None:
        old, self._listening = self._listening, sockets
        self._addresses = addresses
        if self._proxy.table.number:
            await self._proxy.listen(sockets)
        for each in old:
            each.close()

    async def _apply(self, message: Message) -> None:
        is_first = self._proxy.table.number == 0
        table = table_from_dict(message["table"])
        self._proxy.apply(table)
        if is_first:  # nobody is served before we know where to send them
            await self._proxy.listen(self._listening)
        self._tell({"type": "ack", "number": table.number})

    def _tell(self, message: Message) -> None:
        if self._channel is not None:
            self._channel.send(message)

    def _send_lines(self, lines: Sequence[Line], dropped: int) -> bool:
        if self._channel is None or self._channel.backlog_bytes > _LINES_BACKLOG_BYTES:
            return False
        self._channel.send({"type": "lines", "lines": lines, "dropped": dropped})
        return True
