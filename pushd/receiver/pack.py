"""A pack on its way in: small ones are kept until they are whole, large ones go to the git program, or to disk, as they come.

With git:     `git index-pack --strict` reads along in a process of its own and judges every object.
Without:      dulwich does (`index.py`), in a thread if the pack is small, in a process of its own if it is not.
"""

from __future__ import annotations

import asyncio
import io
import logging
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Protocol

from pushd.kit.aio import in_thread
from pushd.receiver.child import Child, running
from pushd.receiver.git import index_command, index_module
from pushd.receiver.index import TooMuchToUnpack, index_pack
from pushd.receiver.quarantine import Quarantine
from pushd.receiver.repositories import Repository
from pushd.receiver.room import MEGABYTE, explaining_full_disk, has_room, no_room
from pushd.receiver.survey import PackRefused

log = logging.getLogger(__name__)

HEAD_LIMIT_BYTES = 8_000_000  # kept in memory at most, whatever the settings say
THREAD_UNPACKED_BYTES = 32_000_000  # a pack that unpacks to more is not indexed in the daemon
INDEX_SECONDS = 3600.0
_BATCH_BYTES = 1 << 18
_TAIL_BYTES = 2_000  # of what a child complains about


class PackTooLarge(PackRefused):
    """The pack is over the app's limit."""

    remedy = "Keep large files out of the history, or raise the limit: pushd settings:set pack-limit-mb=MEGABYTES"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the pack is larger than {limit_bytes // MEGABYTE} MB")


class _Sink(Protocol):
    async def write(self, data: bytes) -> None: ...

    async def finish(self) -> None: ...


class IncomingPack:
    """Takes the bytes of one pack; `finish()` leaves it indexed and checked in the quarantine, `close()` stops what runs."""

    def __init__(
        self, repository: Repository, quarantine: Quarantine, *, git: str | None, head_bytes: int, limit_bytes: int
    ) -> None:
        self._repository = repository
        self._quarantine = quarantine
        self._git = git
        self._head_bytes = min(head_bytes, HEAD_LIMIT_BYTES)
        self._limit_bytes = limit_bytes
        self._size = 0
        self._head = bytearray()
        self._sink: _Sink | None = None
        self._stack = AsyncExitStack()

    async def feed(self, data: bytes) -> None:
        """Raises: PackRefused when the pack is over its limit, DiskFull."""
        self._size += len(data)
        if self._size > self._limit_bytes:
            raise PackTooLarge(self._limit_bytes)
        if self._sink is None:
            self._head += data
            if len(self._head) <= self._head_bytes:
                return
            self._sink = await self._open_sink()
            data, self._head = bytes(self._head), bytearray()
        await self._sink.write(data)

    async def finish(self) -> None:
        """Index and check the whole pack. Raises: PackRefused, DiskFull."""
        if self._sink is None:
            await self._finish_small()
        else:
            await self._sink.finish()

    async def close(self) -> None:
        """End a child that still runs; running it twice is fine."""
        await self._stack.aclose()

    async def _finish_small(self) -> None:
        file = self._quarantine.folder / "incoming.pack"
        try:
            with explaining_full_disk():
                await in_thread(file.write_bytes, bytes(self._head))
                await in_thread(_index_small, file, self._quarantine.objects)
        except TooMuchToUnpack:
            self._sink = await self._open_sink()
            await self._sink.write(bytes(self._head))
            await self._sink.finish()

    async def _open_sink(self) -> _Sink:
        if self._git is None:
            return await _ToDisk.open(self._stack, self._quarantine)
        return await _ToGit.open(self._stack, self._git, self._repository, self._quarantine)


class _ToGit:
    """`git index-pack` reads the pack while it comes."""

    def __init__(self, child: Child, complaints: Path) -> None:
        self._child = child
        self._complaints = complaints

    @classmethod
    async def open(cls, stack: AsyncExitStack, git: str, repository: Repository, quarantine: Quarantine) -> _ToGit:
        complaints = quarantine.folder / "index-pack.txt"
        argv, environ = index_command(git, quarantine.objects, repository.folder)
        stderr = stack.enter_context(complaints.open("wb"))
        child = await stack.enter_async_context(running(argv, environ=environ, stderr=stderr.fileno()))
        return cls(child, complaints)

    async def write(self, data: bytes) -> None:
        with suppress(BrokenPipeError):  # git has seen enough; finish() says what it thought
            await self._child.write(data)

    async def finish(self) -> None:
        self._child.end_input()
        await _judge(self._child, self._complaints)


class _ToDisk:
    """The pack goes to a file; then our own child indexes it."""

    def __init__(self, stack: AsyncExitStack, quarantine: Quarantine, file: io.FileIO) -> None:
        self._stack = stack
        self._quarantine = quarantine
        self._file = file
        self._batch = bytearray()

    @classmethod
    async def open(cls, stack: AsyncExitStack, quarantine: Quarantine) -> _ToDisk:
        file = await in_thread(_create, quarantine.folder / "incoming.pack")
        return cls(stack, quarantine, stack.enter_context(file))

    async def write(self, data: bytes) -> None:
        self._batch += data
        if len(self._batch) >= _BATCH_BYTES:
            await self._flush()

    async def finish(self) -> None:
        await self._flush()
        complaints = self._quarantine.folder / "index.txt"
        stderr = self._stack.enter_context(complaints.open("wb"))
        argv = index_module(Path(self._file.name), self._quarantine.objects)
        child = await self._stack.enter_async_context(running(argv, stderr=stderr.fileno()))
        await _judge(child, complaints)

    async def _flush(self) -> None:
        batch, self._batch = bytes(self._batch), bytearray()
        with explaining_full_disk():
            await in_thread(self._write_all, batch)

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]


async def _judge(child: Child, complaints: Path) -> None:
    try:
        async with asyncio.timeout(INDEX_SECONDS):
            status = await child.wait()
    except TimeoutError:
        raise PackRefused(f"indexing the pack took longer than {INDEX_SECONDS:g} s") from None
    if status != 0:
        text = await in_thread(_read_tail, complaints)
        log.info("pack refused", extra={"status": status, "why": text})
        if "No space left on device" in text or not (text or has_room(complaints)):
            raise no_room("the pack does not fit")
        raise PackRefused(_why(text))


def _why(text: str) -> str:
    """The line of a child's complaints that says most: git's first error names the object and what is wrong with it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")] or [line for line in lines if line.startswith("fatal: ")]
    chosen = (errors or lines[-1:] or ["the pack is damaged"])[0]
    return chosen.removeprefix("error: ").removeprefix("fatal: ")


def _index_small(file: Path, objects: Path) -> None:
    index_pack(file, objects, unpacked_limit_bytes=THREAD_UNPACKED_BYTES)


def _create(file: Path) -> io.FileIO:
    return file.open("wb", buffering=0)


def _read_tail(file: Path) -> str:
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - _TAIL_BYTES))
        return opened.read().decode("utf-8", "replace")
