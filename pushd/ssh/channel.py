"""One session of a client: what it asks for, and bytes both ways at the pace of the slower side."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import suppress

import asyncssh

from pushd.model.terminal import TerminalSize

_GONE_SECONDS = 1.0  # between looks whether the client has closed a session whose input we have not read
_TERM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


class Channel(asyncssh.SSHServerSession[bytes]):
    """Fits the receiver's `Stream`. `command` is None for who wants a shell, `subsystem` names what else they want."""

    def __init__(self, on_start: Callable[[Channel], None], can_write: asyncio.Event) -> None:
        """`on_start` is told once the client has said what it wants; `can_write`: of the whole connection."""
        self.command: str | None = None
        self.subsystem: str | None = None
        self.term = ""
        self.size: TerminalSize | None = None  # of the client's terminal, if it has one
        self.on_resize: Callable[[TerminalSize], None] = lambda size: None
        self._on_start = on_start
        self._can_write = can_write
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._incoming: list[bytes] = []
        self._is_emptying = self._is_ended = False
        self._readable, self._window_open, self._gone = (asyncio.Event() for _ in range(3))
        self._window_open.set()

    @property
    def source(self) -> str:
        """The client's address."""
        peer = None if self._channel is None else self._channel.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) else ""

    async def read(self) -> bytes:
        """What the client sends next, b"" at its end; cancelling loses nothing. Raises: ConnectionError when it is gone."""
        while not self._incoming:
            self._empty()
            if self._incoming:
                break
            if self._is_ended:
                return b""
            self._check()
            self._readable.clear()
            await self._readable.wait()
        data = b"".join(self._incoming)
        self._incoming.clear()
        return data

    def _empty(self) -> None:
        """Take all that asyncssh holds back, and only all of it: it opens the client's window anew at the first piece.

        So there is one window here and one over there at most, however slow we are.
        """
        if self._channel is None or self._gone.is_set():
            return
        self._is_emptying = True
        try:
            self._channel.resume_reading()
        finally:
            self._is_emptying = False
        if self._incoming:
            self._channel.pause_reading()

    async def write(self, data: bytes, *, error: bool = False) -> None:
        """Send to the client's standard output or error, once there is room. Raises: ConnectionError when it is gone."""
        await self._window_open.wait()
        await self._can_write.wait()
        self._check()
        assert self._channel is not None
        self._channel.write(data, asyncssh.EXTENDED_DATA_STDERR if error else None)

    async def tell(self, text: str) -> None:
        """Words for the person. Raises: ConnectionError when it is gone."""
        if self.size is not None:  # their terminal is raw: nobody else returns the carriage
            text = text.replace("\n", "\r\n")
        await self.write(text.encode("utf-8", "backslashreplace"), error=self.size is None)

    async def gone(self) -> None:
        """Return once the client has closed this session, or is gone altogether.

        asyncssh tells of a session that was closed when its input has been read, which may be never.
        """
        while not (self._gone.is_set() or (self._channel is not None and self._channel.is_closing())):
            with suppress(TimeoutError):
                async with asyncio.timeout(_GONE_SECONDS):
                    await self._gone.wait()

    def exit(self, status: int) -> None:
        """End the session with this exit status, behind all that was written."""
        if self._channel is not None and not self._gone.is_set():
            self._channel.exit(status)

    # --- what asyncssh tells ------------------------------------------------------------------------------------------

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def pty_requested(self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]) -> bool:
        self.term = term_type if _TERM.fullmatch(term_type) else "dumb"
        self.size = _maybe_size(term_size[0], term_size[1]) or TerminalSize()
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        if self.size is not None and (size := _maybe_size(width, height)) is not None:
            self.size = size
            self.on_resize(size)

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        self.command = command
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        self.subsystem = subsystem
        return True

    def session_started(self) -> None:
        self._on_start(self)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._incoming.append(data)
        if not self._is_emptying and self._channel is not None:
            self._channel.pause_reading()
        self._readable.set()

    def eof_received(self) -> bool:
        self._is_ended = True
        self._readable.set()
        return True  # we may still write

    def pause_writing(self) -> None:
        self._window_open.clear()

    def resume_writing(self) -> None:
        self._window_open.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.set()
        self._readable.set()
        self._window_open.set()

    def _check(self) -> None:
        if self._gone.is_set():
            raise ConnectionResetError("the client has closed the session")


def _maybe_size(columns: int, lines: int) -> TerminalSize | None:
    try:
        return TerminalSize.told(columns, lines)
    except ValueError:
        return None
