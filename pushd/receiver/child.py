"""A child process that we talk to through pipes, without a thread that waits for it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pushd
from pushd.kit import proc
from pushd.kit.aio import finish
from pushd.kit.spawn import spawn

_CHUNK_BYTES = 1 << 16
_KILL_WITHIN_SECONDS = 10.0
ENVIRON = {  # of every program of git's: no settings but the repository's own
    "PATH": os.defpath,
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "PYTHONPATH": str(Path(pushd.__file__).parent.parent),
}


class Child:
    """One running program; `stdin` and `stdout` are our ends of its pipes."""

    def __init__(self, pid: int, pidfd: int, stdin: int, stdout: int) -> None:
        self._pid = pid
        self._pidfd = pidfd
        self._stdin = stdin
        self._stdout = stdout
        self._status: int | None = None

    async def write(self, data: bytes) -> None:
        """Hand over all of `data`. Raises: BrokenPipeError once the program reads no more."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._stdin, view) :]
            except BlockingIOError:
                await _writable(self._stdin)

    def end_input(self) -> None:
        """The program sees the end of its input."""
        if self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1

    async def read(self) -> bytes:
        """What comes next; b"" at the end."""
        while True:
            try:
                return os.read(self._stdout, _CHUNK_BYTES)
            except BlockingIOError:
                await proc.readable(self._stdout)

    async def wait(self) -> int:
        """The exit status, 128 + N after signal N."""
        while self._status is None:
            await proc.readable(self._pidfd)
            self._status = proc.reap(self._pid)
        return self._status

    async def close(self) -> None:
        """Kill it with its process group if it still runs; close the pipes."""
        try:
            if self._status is None:
                with suppress(ProcessLookupError):
                    os.killpg(self._pid, signal.SIGKILL)
                await finish(self.wait(), within=_KILL_WITHIN_SECONDS)
        finally:
            self.end_input()
            os.close(self._stdout)
            os.close(self._pidfd)


@asynccontextmanager
async def running(
    argv: Sequence[str], *, environ: Mapping[str, str] | None = None, stdin: int | None = None, stderr: int | None = None
) -> AsyncIterator[Child]:
    """Start a program; when the block ends it is gone.

    `stdin`: a descriptor to read from instead of what `write` hands over. What it says on `stderr` is dropped without one.
    Raises: OSError if it cannot be started.
    """
    theirs, ours = os.pipe2(os.O_CLOEXEC)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(ours, False)
    os.set_blocking(reading, False)
    try:
        env = {**ENVIRON, **(environ or {})}
        pid = spawn(argv, env=env, stdin=theirs if stdin is None else stdin, stdout=writing, stderr=stderr)
        child = Child(pid, os.pidfd_open(pid), ours, reading)
    except BaseException:
        os.close(ours)
        os.close(reading)
        raise
    finally:
        os.close(theirs)
        os.close(writing)
    try:
        yield child
    finally:
        await child.close()


async def _writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(descriptor)
