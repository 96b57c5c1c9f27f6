"""Text that is written once and may be followed while it is written: build output, release phase output.

A transcript is an append-only file and the people who read it live. Writing never waits for a reader: readers follow the
file, so a slow one costs nothing and a late one misses nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from pathlib import Path

from pushd.kit.aio import finish, in_thread
from pushd.kit.steering import without_steering

_CHUNK_BYTES = 1 << 16
_UNWRITTEN_BYTES = 1 << 18
_READ_SECONDS = 60.0  # a disk that takes longer is broken


class Transcript:
    """One growing text file with followers in this process.

    `limit_bytes` bounds the file; what comes after is dropped, and the text says so once.
    A failing disk does not fail the work that is being told about: what cannot be written waits, within bounds, until it can;
    what still waits at the end is told to the followers all the same.
    """

    def __init__(self, path: Path, *, limit_bytes: int = 300_000_000) -> None:
        self.path = path
        self.closed = False
        self._limit_bytes = limit_bytes
        self._size = 0
        self._unwritten = bytearray()  # while the disk fails
        self._grown: set[asyncio.Event] = set()
        self._listeners: list[Callable[[bytes], None]] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def say(self, text: str) -> None:
        """Append one line (or several), without what would steer a terminal: it may quote others. A newline is added."""
        self.write(without_steering(text.encode("utf-8", "replace")) + b"\n")

    def write(self, data: bytes) -> None:
        """Append bytes as they are and wake the followers."""
        if self.closed or not data:
            return
        if self._size > self._limit_bytes:
            return
        if self._size + len(data) > self._limit_bytes:
            data = b"\n !     Output is too long, the rest is not kept.\n"
            self._size = self._limit_bytes  # with this last line it is over
        self._append(data)
        for listener in self._listeners:
            listener(data)
        self._wake()

    def listen(self, listener: Callable[[bytes], None]) -> None:
        """Hand every later piece to `listener` too, such as another transcript's `write`."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Nothing more will come: followers end once they have read everything."""
        if not self.closed:
            self.closed = True
            self._write_out()
            os.close(self._file)
            self._wake()

    async def follow(self, *, silence_seconds: float | None = None) -> AsyncGenerator[bytes, None]:
        """All bytes from the start, then new ones as they come, until `close()`.

        With `silence_seconds`, yields b"" whenever so long nothing came: the moment for a keep-alive.
        """
        reader = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)  # here, so that a cancellation cannot lose it
        grown = asyncio.Event()
        self._grown.add(grown)
        try:
            while True:
                grown.clear()
                ended = self.closed
                while data := await self._read(reader):
                    yield data
                if ended:
                    if self._unwritten:
                        yield bytes(self._unwritten)
                    return
                if grown.is_set():
                    continue
                try:
                    await asyncio.wait_for(grown.wait(), silence_seconds)
                except TimeoutError:
                    yield b""
        finally:
            os.close(reader)
            self._grown.discard(grown)

    @staticmethod
    async def _read(reader: int) -> bytes:
        """The next bytes. A cancelled reader waits for its thread: once closed, the number may mean another file."""
        return await finish(in_thread(os.read, reader, _CHUNK_BYTES), within=_READ_SECONDS)

    def _append(self, data: bytes) -> None:
        room = _UNWRITTEN_BYTES - len(self._unwritten) if self._unwritten else len(data)
        self._unwritten += data[: max(0, room)]
        self._size += len(data)
        self._write_out()

    def _write_out(self) -> None:
        with suppress(OSError):
            while self._unwritten:
                del self._unwritten[: os.write(self._file, self._unwritten)]

    def _wake(self) -> None:
        for event in self._grown:
            event.set()


def complaint(text: str) -> str:
    """`text` in the manner of Heroku's errors, each line behind a mark."""
    return "\n".join(f" !     {line}".rstrip() for line in text.splitlines())
