"""Long-lived connections: noticing that a client is gone, also while we do not read from it."""

from __future__ import annotations

import asyncio
import socket

_LOOK_SECONDS = 5.0
_GONE = frozenset({7, 8})  # TCP_CLOSE, TCP_CLOSE_WAIT in the kernel's include/net/tcp_states.h
_KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))


def keep_alive(transport: asyncio.BaseTransport | None) -> None:
    """Have the kernel ask now and then whether the other machine is still there."""
    connection = _tcp_socket(transport)
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEP_ALIVE:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


async def until_gone(transport: asyncio.BaseTransport | None) -> None:
    """Return once the client has closed its side; a reader that waits for room would not notice."""
    while True:
        if _is_gone(transport):
            return
        await asyncio.sleep(_LOOK_SECONDS)


def _is_gone(transport: asyncio.BaseTransport | None) -> bool:
    if transport is None or transport.is_closing():
        return True
    connection = _tcp_socket(transport)
    return connection is not None and connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in _GONE


def _tcp_socket(transport: asyncio.BaseTransport | None) -> socket.socket | None:
    """None for a Unix socket, whose other end cannot vanish unnoticed."""
    connection: socket.socket | None = transport.get_extra_info("socket") if transport is not None else None
    return connection if connection is not None and connection.family != socket.AF_UNIX else None
