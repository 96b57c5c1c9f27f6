"""A one-off dyno's promise to one client: who has the secret gets its standard streams, once, and starts it by that."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from uuid import UUID

from pushd.errors import PushdError, Unavailable
from pushd.kit.clock import Clock
from pushd.kit.wires import Streams, Wires
from pushd.model.terminal import TerminalSize
from pushd.model.user import User
from pushd.runner.schedulers import Handle

_SIZE_NAMES = ("COLUMNS", "LINES")


class Attachment:
    """Between a client's connection and the dyno's life; bytes go straight through and are kept nowhere."""

    def __init__(self, size: TerminalSize | None, clock: Clock, *, user: User, app_id: UUID, idle_seconds: float) -> None:
        """`user`: who asked for it, for whoever lets them in."""
        self.secret = secrets.token_hex(32)  # lower case: so the first byte of a connection tells it from an HTTP method
        self.user = user
        self.app_id = app_id
        self.size = size
        self.idle_seconds = idle_seconds
        self._clock = clock
        self._wires: Wires | None = None
        self._handle: Handle | None = None
        self._merged = self._resizable = False
        self._last_traffic = clock.monotonic()
        self._failure: PushdError | None = None
        self._status: int | None = None
        self._claimed, self._settled, self._left, self._over = (asyncio.Event() for _ in range(4))

    # --- the client's side --------------------------------------------------------------------------------------------

    @property
    def has_terminal(self) -> bool:
        return self.size is not None

    @property
    def is_over(self) -> bool:
        """The dyno has ended, or will never start."""
        return self._over.is_set()

    async def start(self, *, merged: bool, resizable: bool) -> None:
        """The client is here: start the program, and return once it runs.

        `merged`: stdout and stderr in their order, as one. `resizable`: this client will tell when its window changes.
        Raises: PushdError if the program cannot be started.
        """
        self._merged, self._resizable = merged, resizable
        self._last_traffic = self._clock.monotonic()
        self._claimed.set()
        await self._settled.wait()
        if self._failure is not None:
            raise self._failure

    async def read(self) -> tuple[int, bytes] | None:
        """The next output with its stream, 1 or 2; None once the program has ended and all was read."""
        assert self._wires is not None  # start() has returned
        found = await self._wires.read()
        self._last_traffic = self._clock.monotonic()
        return found

    async def write(self, data: bytes) -> None:
        """Input for the program; returns once it has taken it."""
        assert self._wires is not None
        self._last_traffic = self._clock.monotonic()
        await self._wires.write(data)
        self._last_traffic = self._clock.monotonic()

    async def end_input(self) -> None:
        """No more input comes."""
        assert self._wires is not None
        await self._wires.end_input()

    def resize(self, size: TerminalSize) -> None:
        """The client's window has another size now."""
        if self._wires is not None and not self.is_over:
            self._wires.resize(size)

    def signal(self, number: int) -> None:
        """To all processes of the dyno."""
        if self._handle is not None and not self.is_over:
            self._handle.signal(number)

    async def exit_status(self) -> int:
        """Once the program has ended, and with it all that it started."""
        await self._over.wait()
        return self._status if self._status is not None else 1

    async def idle(self) -> None:
        """Return when nothing was sent or received for too long."""
        while (left := self._last_traffic + self.idle_seconds - self._clock.monotonic()) > 0:
            await self._clock.sleep(left)

    def leave(self) -> None:
        """The client is gone, or has all it wanted."""
        self._left.set()
        if self._wires is not None:
            self._wires.close()

    # --- the life's side ----------------------------------------------------------------------------------------------

    async def claimed(self) -> None:
        """Return once a client is here."""
        await self._claimed.wait()

    @property
    def has_left(self) -> bool:
        return self._left.is_set()

    async def left(self) -> None:
        """Return once the client is gone."""
        await self._left.wait()

    @contextlib.contextmanager
    def streams(self) -> Iterator[Streams]:
        """The program's ends, to start it with; they are closed after. Raises: OSError."""
        self._wires, streams = Wires.open(self.size, merged=self._merged)
        try:
            yield streams
        finally:
            for descriptor in {streams.stdin, streams.stdout, streams.stderr}:
                os.close(descriptor)

    def environ(self, given: Mapping[str, str]) -> Mapping[str, str]:
        """What the client sent, without a size that would not follow its window: programs believe it more than the terminal."""
        if not (self.has_terminal and self._resizable):
            return given
        return {name: value for name, value in given.items() if name not in _SIZE_NAMES}

    def started(self, handle: Handle) -> None:
        """The program runs."""
        self._handle = handle
        self._settled.set()
        if self._left.is_set() and self._wires is not None:
            self._wires.close()  # it left while the program was being started

    def end(self, status: int | None, failure: PushdError | None) -> None:
        """The dyno is over, with this status; without one it was never started."""
        self._status = status
        if not self._settled.is_set():
            self._failure = failure or Unavailable("The dyno was stopped before it had started.", remedy="Run it again.")
            self._settled.set()
        self._over.set()
        if self._wires is not None:
            self._wires.finish()
            if self._left.is_set():
                self._wires.close()
