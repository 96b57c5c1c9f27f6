"""Both ends of a program's standard streams: a terminal, or pipes that carry any bytes and a real end of input."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pushd.kit import terminal

STDOUT, STDERR = 1, 2
_CHUNK_BYTES = 1 << 16


class Size(Protocol):
    """Of a terminal, in characters."""

    @property
    def columns(self) -> int: ...
    @property
    def lines(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Streams:
    """Descriptors that a program gets as its standard streams; whoever opened them closes them."""

    stdin: int
    stdout: int
    stderr: int
    terminal: bool = False  # they are one, and it becomes the program's controlling terminal


class Wires:
    """Reads and writes as fast as the slower side goes: nothing waits in here, so a slow client slows the program down."""

    def __init__(self, writing: int, reading: Mapping[int, int], *, size: Size | None) -> None:
        self._writing: int | None = writing
        self._reading = dict(reading)  # what a client calls it -> our descriptor
        self._is_terminal = size is not None
        self._is_over = False
        self._is_line_begun = False
        self._wakes = asyncio.Event()

    @classmethod
    def open(cls, size: Size | None, *, merged: bool) -> tuple[Wires, Streams]:
        """A terminal of this size, else pipes (`merged`: one for stdout and stderr), and the program's ends of it."""
        if size is not None:
            ours, theirs = terminal.open_terminal(size.columns, size.lines)
            return cls(ours, {STDOUT: ours}, size=size), Streams(theirs, theirs, theirs, terminal=True)
        stdin, writing = _pipe(ours=1)
        reading, stdout = _pipe(ours=0)
        if merged:
            return cls(writing, {STDOUT: reading}, size=None), Streams(stdin, stdout, stdout)
        reading_errors, stderr = _pipe(ours=0)
        return cls(writing, {STDOUT: reading, STDERR: reading_errors}, size=None), Streams(stdin, stdout, stderr)

    async def read(self) -> tuple[int, bytes] | None:
        """The next output and which stream it came by; None once the program has ended and all was read."""
        while self._reading:
            for channel, descriptor in list(self._reading.items()):
                data = _read(descriptor)
                if data:
                    return channel, data
                if data is not None or self._is_over:
                    self._drop(channel)
            if self._reading:
                await self._until_readable()
        return None

    async def write(self, data: bytes) -> None:
        """Hand input to the program, as soon as it takes it; what it can never read any more is dropped."""
        rest = memoryview(data)
        if data:
            self._is_line_begun = not data.endswith(b"\n")
        while rest and self._writing is not None:
            try:
                rest = rest[os.write(self._writing, rest) :]
            except BlockingIOError:
                await self._until_writable(self._writing)
            except OSError:  # nobody reads: EPIPE, of a terminal EIO
                return

    async def end_input(self) -> None:
        """The program reads to an end of its input; a terminal stays open, as it does after ^D."""
        if self._is_terminal:
            await self.write(terminal.END_OF_INPUT * (2 if self._is_line_begun else 1))
        else:
            self._close_writing()

    def resize(self, size: Size) -> None:
        """Tell a terminal's new size to the program; pipes have none."""
        if self._is_terminal and self._writing is not None:
            terminal.resize(self._writing, size.columns, size.lines)

    def finish(self) -> None:
        """The program has ended: what can be read now is all that comes."""
        self._is_over = True
        self._wakes.set()

    def close(self) -> None:
        """Let go of everything; a program that still has the terminal is told by SIGHUP. Safe to call again."""
        self._is_over = True
        if not self._is_terminal:
            self._close_writing()
        for channel in list(self._reading):
            self._drop(channel)
        self._wakes.set()

    async def _until_readable(self) -> None:
        loop = asyncio.get_running_loop()
        descriptors = list(self._reading.values())
        self._wakes.clear()
        if self._is_over:
            return
        for descriptor in descriptors:
            loop.add_reader(descriptor, self._wakes.set)
        try:
            await self._wakes.wait()
        finally:
            for descriptor in set(descriptors) & set(self._reading.values()):
                loop.remove_reader(descriptor)

    async def _until_writable(self, descriptor: int) -> None:
        loop = asyncio.get_running_loop()
        writable = asyncio.Event()
        loop.add_writer(descriptor, writable.set)
        try:
            await writable.wait()
        finally:
            if self._writing == descriptor:
                loop.remove_writer(descriptor)

    def _close_writing(self) -> None:
        if self._writing is not None:
            asyncio.get_running_loop().remove_writer(self._writing)
            os.close(self._writing)
            self._writing = None

    def _drop(self, channel: int) -> None:
        descriptor = self._reading.pop(channel)
        loop = asyncio.get_running_loop()
        loop.remove_reader(descriptor)
        if self._is_terminal:
            loop.remove_writer(descriptor)
            self._writing = None
        os.close(descriptor)


def _read(descriptor: int) -> bytes | None:
    """What is there, up to a chunk; b"" at the end, None when there is nothing now."""
    found = bytearray()
    while len(found) < _CHUNK_BYTES:  # a terminal gives 4 KiB at a time
        try:
            data = os.read(descriptor, _CHUNK_BYTES - len(found))
        except BlockingIOError:
            return bytes(found) or None
        except OSError:  # EIO: nobody has the terminal any more
            data = b""
        if not data:
            break
        found += data
    return bytes(found)


def _pipe(*, ours: int) -> tuple[int, int]:
    """Both ends; `ours` (0: we read, 1: we write) does not block."""
    ends = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(ends[ours], False)
    return ends
