"""A one-off dyno as the API sees it: a real program behind real pipes or a real terminal, without a daemon around it."""

from __future__ import annotations

import asyncio
import os
from uuid import UUID

from pushd.errors import PushdError
from pushd.kit.wires import Wires
from pushd.model.terminal import TerminalSize
from pushd.model.user import User


class FakeAttached:
    """Runs a shell line; what happened to it stands in its fields."""

    def __init__(self, command: str, *, size: TerminalSize | None = None, refuses: PushdError | None = None) -> None:
        self.command = command
        self.user: User  # both are said by whoever lets it wait
        self.app_id: UUID
        self.size = size
        self.refuses = refuses
        self.signals: list[int] = []
        self.resized: list[TerminalSize] = []
        self.asked: tuple[bool, bool] | None = None  # merged, resizable
        self.left = asyncio.Event()
        self.too_quiet = asyncio.Event()
        self._wires: Wires | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._ended: asyncio.Task[int] | None = None

    @property
    def has_terminal(self) -> bool:
        return self.size is not None

    async def start(self, *, merged: bool, resizable: bool) -> None:
        self.asked = (merged, resizable)
        if self.refuses is not None:
            raise self.refuses
        self._wires, streams = Wires.open(self.size, merged=merged)
        self._process = await asyncio.create_subprocess_exec(
            *(["setsid", "-c"] if streams.terminal else []), "/bin/sh", "-c", self.command,
            stdin=streams.stdin, stdout=streams.stdout, stderr=streams.stderr,
        )  # fmt: skip
        for descriptor in {streams.stdin, streams.stdout, streams.stderr}:
            os.close(descriptor)
        self._ended = asyncio.create_task(self._until_ended())

    async def read(self) -> tuple[int, bytes] | None:
        assert self._wires is not None
        return await self._wires.read()

    async def write(self, data: bytes) -> None:
        assert self._wires is not None
        await self._wires.write(data)

    async def end_input(self) -> None:
        assert self._wires is not None
        await self._wires.end_input()

    def resize(self, size: TerminalSize) -> None:
        assert self._wires is not None
        self.resized.append(size)
        self._wires.resize(size)

    def signal(self, number: int) -> None:
        assert self._process is not None
        self.signals.append(number)
        self._process.send_signal(number)

    async def exit_status(self) -> int:
        assert self._ended is not None
        return await asyncio.shield(self._ended)

    async def idle(self) -> None:
        await self.too_quiet.wait()

    def leave(self) -> None:
        self.left.set()
        if self._wires is not None:
            self._wires.close()

    async def end(self) -> None:
        """What the runner does when the client has gone."""
        if self._process is not None and self._ended is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._ended

    async def _until_ended(self) -> int:
        assert self._process is not None
        assert self._wires is not None
        status = await self._process.wait()
        self._wires.finish()
        return 128 - status if status < 0 else status
