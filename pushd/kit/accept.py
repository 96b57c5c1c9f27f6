"""Takes connections from listening sockets, and waits a while when the process has no file descriptor left for one."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

log = logging.getLogger(__name__)

_ACCEPTS_PER_TURN = 64
_PAUSE_SECONDS = 0.5  # when the process is out of file descriptors
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Acceptor:
    """Hands each new connection, a non-blocking socket, to `on_connection`.

    `on_failed` is told when a listening socket gives an error that waiting does not mend; nobody is accepted there any more.
    """

    def __init__(
        self, on_connection: Callable[[socket.socket], None], *, on_failed: Callable[[OSError], None] = lambda error: None
    ) -> None:
        self._on_connection = on_connection
        self._on_failed = on_failed
        self._listening: list[socket.socket] = []
        self._pauses: set[asyncio.TimerHandle] = set()

    def listen(self, listening: socket.socket) -> None:
        """Accept from this non-blocking socket from now on, and own it."""
        self._listening.append(listening)
        asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def close(self) -> None:
        """Accept no more. Who waits in the queue of a socket that systemd or a successor holds too is accepted there."""
        loop = asyncio.get_running_loop()
        for listening in self._listening:
            loop.remove_reader(listening)
            listening.close()
        self._listening.clear()
        for pause in self._pauses:
            pause.cancel()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                connection, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _OUT_OF_RESOURCES:
                    log.error("a socket does not listen any more", extra={"error": error})
                    asyncio.get_running_loop().remove_reader(listening)
                    self._on_failed(error)
                    return
                log.error("cannot accept connections", extra={"error": error, "pause_seconds": _PAUSE_SECONDS})
                self._pause(listening)
                return
            connection.setblocking(False)
            self._on_connection(connection)

    def _pause(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)

        def go_on() -> None:
            self._pauses.discard(timer)
            loop.add_reader(listening, self._accept, listening)

        timer = loop.call_later(_PAUSE_SECONDS, go_on)
        self._pauses.add(timer)
