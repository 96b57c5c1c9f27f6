"""A logplex in a temporary folder, FIFOs held open as the shim holds them, and programs that write into them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from pushd.kit.clock import SystemClock
from pushd.layout import Layout
from pushd.logplex.logplex import Logplex
from pushd.model.logline import LogLine

APP = UUID(int=1)


class Fifo:
    """Holds the FIFO open as the shim does, and writes into it without waiting."""

    def __init__(self, path: Path, capacity: int = 1 << 20) -> None:
        os.mkfifo(path)
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, capacity)

    def write(self, data: bytes) -> None:
        """All of it; BlockingIOError when it does not fit."""
        assert os.write(self._descriptor, data) == len(data)

    async def write_all(self, data: bytes) -> None:
        """Wait for room, as programs do."""
        await asyncio.to_thread(self._write_waiting, data)

    def _write_waiting(self, data: bytes) -> None:
        with open(self.path, "wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) or 0 :]

    def close(self) -> None:
        os.close(self._descriptor)

    @contextlib.contextmanager
    def filled_by(self, code: str, stdin: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """A Python program whose stdout is the FIFO; it has ended when the block is left."""
        writer = os.open(self.path, os.O_WRONLY)  # a description of its own: blocking, as programs know it
        process = subprocess.Popen([sys.executable, "-c", code], stdin=stdin, stdout=writer)
        os.close(writer)
        try:
            yield process
        finally:
            assert process.wait(60) == 0


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Callable[..., Fifo]]:
    """Makes FIFOs."""
    made: list[Fifo] = []

    def make(**how: int) -> Fifo:
        made.append(Fifo(tmp_path / f"fifo-{len(made)}", **how))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "data")


@pytest.fixture
async def logplex(layout: Layout) -> AsyncIterator[Logplex]:
    async with Logplex(layout, SystemClock()) as made:
        yield made


def a_dyno() -> UUID:
    return uuid4()


async def lines_of(tail: AsyncIterator[Sequence[LogLine]]) -> AsyncIterator[LogLine | None]:
    """One line at a time; None is a moment of silence."""
    async with contextlib.aclosing(tail):
        async for batch in tail:
            for line in batch or (None,):
                yield line


async def shown(logplex: Logplex, app_id: UUID = APP, **how: object) -> list[LogLine]:
    """What a tail that does not follow gives."""
    return [line async for line in lines_of(logplex.tail(app_id, **{"lines": 1500, **how})) if line]  # type: ignore[arg-type]


async def messages(logplex: Logplex, app_id: UUID = APP, **how: object) -> list[str]:
    return [line.message for line in await shown(logplex, app_id, **how)]


async def everything(logplex: Logplex, app_id: UUID = APP, **how: object) -> list[LogLine]:
    """All lines from the beginning."""
    return await shown(logplex, app_id, after="0-0", **how)


async def until_line(logplex: Logplex, message: str, app_id: UUID = APP, *, process: str | None = None) -> LogLine:
    """Wait for one line."""
    async with asyncio.timeout(20):
        async with contextlib.aclosing(lines_of(logplex.tail(app_id, lines=1500, process=process, follow=True))) as tail:
            async for line in tail:
                if line and line.message == message:
                    return line
    raise AssertionError(f"the tail ended without {message!r}")
