"""One connection to a target: the answer's head is read and checked, its body passes as it comes."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, cast

from pushd.router.bodies import BadBody, Body, Bytes, ChunkedBody, LengthBody, RestBody
from pushd.router.heads import BadHead, ResponseHead
from pushd.router.reader import HeadReader, Judge

if TYPE_CHECKING:
    from pushd.router.exchange import Exchange
    from pushd.router.targets import LiveTarget

_COPIED_BYTES = 16_384  # what follows a head is copied up to here, and looked at in place above it
_WITHOUT_BODY = frozenset((204, 304))


class UpstreamConnection(asyncio.Protocol):
    """Serves one exchange at a time; between two it is idle in its target's list."""

    __slots__ = ("_body", "_head_only", "_reader", "_reusable", "answered", "exchange", "idle_since", "piping",
                 "target", "transport", "used")  # fmt: skip

    def __init__(self, target: LiveTarget, judge: Judge[ResponseHead]) -> None:
        self.target = target
        self.exchange: Exchange | None = None
        self.idle_since = 0.0
        self.used = False  # has carried a request before the present one
        self.answered = False  # bytes of the present answer have come
        self.piping = False
        self._reader = HeadReader(judge)
        self._body: Body | None = None
        self._head_only = False
        self._reusable = False

    @property
    def is_cut_off(self) -> bool:
        """Whether a new connection was reset already: its listener closed before it was accepted."""
        if self.transport.is_closing():
            return True
        return bool(self.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def begin(self, exchange: Exchange, *, head_only: bool) -> None:
        """Expect the answer to this exchange's request; `head_only`: to a HEAD, so no body follows whatever it says."""
        self.exchange = exchange
        self.answered = False
        self._head_only = head_only

    def close(self) -> None:
        """End it without telling anybody; what was written still goes out."""
        self.exchange = None
        self.transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.exchange is None:  # nobody asked: what comes now would be taken for the next answer
            self.transport.abort()
            return
        self.answered = True
        try:
            self._read(data)
            if self.exchange is not None:
                self.exchange.on_read()
        except BadHead as error:
            self.exchange.fail(error.code, cause=str(error))
        except BadBody as error:
            self.exchange.fail("H17", cause=str(error))

    def _read(self, data: Bytes) -> None:
        while data and (exchange := self.exchange) is not None:
            if self.piping:
                exchange.on_answer_data(data)
                return
            if self._body is None:
                head, end = self._reader.read(bytes(data))
                if head is None:
                    return
                self._begin_answer(exchange, head)
                in_place = len(data) > _COPIED_BYTES and isinstance(self._body, LengthBody)
                data = memoryview(data)[end:] if in_place else data[end:]
            else:
                payload, data = self._body.feed(data)
                if payload:
                    exchange.on_answer_data(payload)
            if self._body is not None and self._body.done:
                self._end_answer(extra=data)
                return

    def _begin_answer(self, exchange: Exchange, head: ResponseHead) -> None:
        if head.status == 101:
            exchange.on_switch(head)
        elif head.status < 200:
            exchange.on_interim(head)
        else:
            body = self._body = self._body_of(head)
            self._reusable = head.keep_alive and not isinstance(body, RestBody)
            exchange.on_answer(head, body)

    def _body_of(self, head: ResponseHead) -> Body:
        """Source: RFC 9112 section 6.3."""
        if self._head_only or head.status in _WITHOUT_BODY:
            return LengthBody(0)
        if head.chunked:
            return ChunkedBody()
        return RestBody() if head.length is None else LengthBody(head.length)

    def _end_answer(self, *, extra: Bytes) -> None:
        exchange, body = self.exchange, self._body
        self._body = None
        if exchange is None or body is None:  # the client went away meanwhile
            return
        exchange.on_answer_end(body.trailers, reusable=self._reusable and not extra)

    def eof_received(self) -> bool:
        if self.piping and self.exchange is not None:
            self.exchange.on_pipe_eof(from_client=False)
            return True
        return False

    def connection_lost(self, error: Exception | None) -> None:
        exchange = self.exchange
        if exchange is None:
            if self in self.target.idle:
                self.target.idle.remove(self)
        elif isinstance(self._body, RestBody) and error is None:
            self._end_answer(extra=b"")
        else:
            exchange.on_upstream_lost()
        self.exchange = None

    def pause_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.client.hold_reading(True)

    def resume_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.client.hold_reading(False)
            self.exchange.on_progress()
