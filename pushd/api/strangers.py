"""Connections to the API that have shown nothing yet: how long they are waited for, and how many; and how many of a user.

One is waited for until the head of its first request is there, while a body comes that anybody may send, and between
requests unless the one before came with a token. While a request is answered, nobody dismisses it but its own user, who
has opened too many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast
from uuid import UUID

from aiohttp import web
from aiohttp.web_protocol import _ErrInfo

from pushd.kit.addresses import source_of
from pushd.kit.crowd import Crowd

PER_SOURCE = 200
AT_MOST = 1000
PER_USER, OF_USERS = 1000, 10_000  # what it may have open beside is for its own work: in its unit a million
KEEP_ALIVE_SECONDS = 75.0
_FOR_GOOD_SECONDS = 365 * 86_400.0
_HEAD_SECONDS = 30.0  # as the router gives an app for its first byte
_TOO_LATE = b'{"id": "request_timeout", "message": "The head of the request did not come in time.\\nSend it in one piece."}'
_ANSWER = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
    % (
        len(_TOO_LATE),
        _TOO_LATE,
    )
)


class Strangers:
    """Who is waited for. All of this machine that come by a local socket are one source."""

    def __init__(self, *, per_source: int = PER_SOURCE, at_most: int = AT_MOST) -> None:
        self.crowd = Crowd(per_source=per_source, at_most=at_most)
        self.users = Crowd(per_source=PER_USER, at_most=OF_USERS)

    def wait_for(self, transport: asyncio.BaseTransport, within: float, *, answer: bytes = b"") -> None:
        """Until `known` says that it came; whoever is late gets the answer."""
        kept = cast(asyncio.Transport, transport)  # uvloop's TLS transports are none by their class

        def tell() -> None:
            kept.write(answer)
            kept.close()

        peer = kept.get_extra_info("peername")
        self.crowd.enter(
            kept,
            source_of(str(peer[0])) if isinstance(peer, tuple) else "a local socket",
            within=within,
            dismiss=kept.abort,
            when_late=tell if answer else kept.abort,
            is_gone=kept.is_closing,
        )

    def known(self, transport: asyncio.BaseTransport | None) -> None:
        """What was waited for has come."""
        self.crowd.leave(transport)

    def belongs_to(self, transport: asyncio.BaseTransport | None, user_id: UUID) -> None:
        """It asked in the name of this user just now; of one who has too many the one that was silent for longest goes."""
        if transport is not None:
            kept = cast(asyncio.Transport, transport)
            self.users.enter(kept, str(user_id), within=_FOR_GOOD_SECONDS, dismiss=kept.abort, is_gone=kept.is_closing)

    def close(self) -> None:
        """Wait for nobody any more."""
        self.crowd.close()
        self.users.close()

    @contextmanager
    def waiting(self, request: web.Request, within: float) -> Iterator[None]:
        """For more of a request."""
        transport = request.transport
        if transport is not None:
            self.wait_for(transport, within)
        try:
            yield
        finally:
            self.known(transport)


class HttpDoor(asyncio.Protocol):
    """Waits for the head of a connection's first request, and has HTTP read what comes, until it is no HTTP.

    aiohttp would read on until it has refused that, and keep all of it meanwhile, for each piece is an error again.
    """

    def __init__(self, http: Callable[[], asyncio.Protocol], strangers: Strangers) -> None:
        self._http = http()
        self._strangers = strangers
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._strangers.wait_for(transport, _HEAD_SECONDS, answer=_ANSWER)
        self._http.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._http.data_received(data)
        waiting = cast(web.RequestHandler, self._http)._messages
        if waiting and isinstance(waiting[-1][0], _ErrInfo) and self._transport is not None:
            self._transport.pause_reading()  # for good: it is closed behind the answer

    def eof_received(self) -> bool | None:
        return self._http.eof_received()

    def pause_writing(self) -> None:
        self._http.pause_writing()

    def resume_writing(self) -> None:
        self._http.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self._strangers.users.leave(self._transport)
        self._http.connection_lost(error)
