"""One visitor's connection: its requests one after the other, and no more read than can go on."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, cast

from pushd.router.codes import CODES
from pushd.router.exchange import Exchange
from pushd.router.heads import BadHead
from pushd.router.pages import answer
from pushd.router.reader import HeadReader

if TYPE_CHECKING:
    from pushd.router.proxy import Proxy


class ClientConnection(asyncio.Protocol):
    """Cuts what it reads into requests. Pipelined ones wait in `_held`; over a bound we stop reading."""

    __slots__ = ("_advancing", "_blocked", "_held", "_lingering", "_proxy", "_reader", "_reading", "blocked_writing",
                 "exchange", "expires_at", "peer", "port", "transport")  # fmt: skip

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._reader = HeadReader(proxy.request_judge)
        self._held = b""
        self._advancing = False
        self._blocked = False  # the target takes no more
        self._reading = True
        self._lingering = False
        self.blocked_writing = False  # the client takes no more
        self.exchange: Exchange | None = None
        self.expires_at = math.inf  # loop time of `on_expired`

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self.peer = peer[0].encode() if isinstance(peer, tuple) else b""  # a Unix socket has no address
        self.port = str(own[1]).encode() if isinstance(own, tuple) else b"80"
        self.expires_at = self._proxy.loop.time() + self._proxy.limits.keepalive_seconds
        self._proxy.clients.add(self)

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        self._held = self._held + data if self._held else data
        self._advance()

    def eof_received(self) -> bool:
        if self.exchange is not None and self.exchange.piping:
            self.exchange.on_pipe_eof(from_client=True)
            return True
        return False  # a client that stops sending has gone away, as for most proxies

    def connection_lost(self, error: Exception | None) -> None:
        self._proxy.on_client_gone(self)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.on_client_lost()

    def pause_writing(self) -> None:
        self.blocked_writing = True
        if self.exchange is not None:
            self.exchange.hold_answer(True)

    def resume_writing(self) -> None:
        self.blocked_writing = False
        if self.exchange is not None:
            self.exchange.hold_answer(False)
            self.exchange.on_progress()
        else:
            self._advance()

    def hold_reading(self, hold: bool) -> None:
        """The target takes no more of the request's body for now, or takes it again."""
        self._blocked = hold
        self._watch_reading()

    @property
    def held_by_target(self) -> bool:
        return self._blocked

    def advance(self) -> None:
        """The request under way takes its body from now on: give it what was held."""
        self._advance()

    def on_exchange_over(self, *, keep: bool, linger: bool = False) -> None:
        """The request under way is answered. `linger`: the client may still be sending what nobody wants."""
        self.exchange = None
        self._blocked = False
        if linger:
            self._linger()
        elif keep:
            self.expires_at = self._proxy.loop.time() + self._proxy.limits.keepalive_seconds
            if self._proxy.stopping:
                self.await_last()
            self._advance()
        else:
            self.close()

    def await_last(self) -> None:
        """The router stops: wait a little for one more request, if there is time for that."""
        if self._proxy.loop.time() >= self._proxy.idle_until:
            self.close()
        else:
            self.expires_at = min(self.expires_at, self._proxy.idle_until)

    def on_expired(self) -> None:
        """`expires_at` has come."""
        self.expires_at = math.inf
        if self.exchange is not None:
            self.exchange.on_expired()
        elif self._reader.held and not self._lingering:
            self._refuse(BadHead("head too slow", code="H26", status=408))
        elif self._lingering:
            self.transport.abort()
        else:
            self.close()

    def close(self) -> None:
        """End the connection once everything written has gone out."""
        self._lingering = True
        self._held = b""
        self.expires_at = self._proxy.loop.time() + self._proxy.limits.keepalive_seconds
        self.transport.close()

    def _advance(self) -> None:
        """Give what was read to the request under way, or begin the next one, as far as it goes."""
        if self._advancing:
            return
        self._advancing = True
        while self._held:
            data, self._held = self._held, b""
            if self.exchange is None and not self.blocked_writing:
                self._held = self._begin(data)
            elif self.exchange is not None and self.exchange.takes_data:
                self._held = self.exchange.on_client_data(data)
            else:
                self._held = data
                break
            if self._lingering:
                self._held = b""
        self._advancing = False
        if self._held or not self._reading:
            self._watch_reading()

    def _begin(self, data: bytes) -> bytes:
        """Read a request's head and start its exchange; what follows the head is given back."""
        waited = bool(self._reader.held)
        try:
            head, end = self._reader.read(data)
        except BadHead as error:
            self._refuse(error, self._reader.held or data)
            return b""
        if head is None:
            if not waited:
                self.expires_at = self._proxy.loop.time() + self._proxy.limits.head_seconds
            return b""
        self.exchange = Exchange(self, self._proxy, head)
        self.exchange.start()
        return data[end:]

    def _refuse(self, error: BadHead, raw: bytes = b"") -> None:
        code = CODES[error.code]
        self._proxy.log_refused(raw or self._reader.held, code, cause=str(error), status=error.status, peer=self.peer)
        self.transport.write(answer(code, error.status)[0])
        self._linger()

    def _linger(self) -> None:
        """Say that nothing more comes, and read on for a moment: closing with unread input would wipe out our answer."""
        self._lingering = True
        self._held = b""
        self.expires_at = self._proxy.loop.time() + self._proxy.limits.linger_seconds
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._watch_reading()

    def _watch_reading(self) -> None:
        wanted = self._lingering or not (self._blocked or len(self._held) >= self._proxy.limits.held_bytes)
        if wanted == self._reading or self.transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()
