"""Starts a program, with nothing of ours but what it is given. Waiting for it and ending it are `kit.proc`'s."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from pushd.kit.scope import Scope, start_in

_DEFAULT_SIGNALS = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
_FIRST_SPARE_FD = 64  # copies made for a child stand above the numbers that it will see them under


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | str | None = None,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    fds: Mapping[int, int] | None = None,
    scope: Scope | None = None,
) -> int:
    """Start a program in a new session, and in this scope if there is one, and give its pid; what is not given is /dev/null.

    It gets default signal dispositions (a daemon under nohup ignores SIGHUP, and children would inherit that), no blocked
    signals and no descriptor of ours but those named: `fds` maps the number that it sees to ours. Takes about 1 ms (vfork).
    The caller reaps it with `proc.reap`. Raises: OSError, FileNotFoundError if there is no such program.
    """
    wanted = {0: stdin, 1: stdout, 2: stderr, **(fds or {})}
    if cwd is not None:
        argv = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(cwd), *argv]
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    copies: dict[int, int] = {}
    try:
        for number, ours in wanted.items():
            copies[number] = _spare_copy(null if ours is None else ours)
        start = partial(
            os.posix_spawnp,
            argv[0],
            list(argv),
            env,
            file_actions=[
                *((os.POSIX_SPAWN_CLOSE, number) for number in _inheritable_fds() if number not in wanted),
                *((os.POSIX_SPAWN_DUP2, copy, number) for number, copy in copies.items()),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=_DEFAULT_SIGNALS,
        )
        return start() if scope is None else start_in(scope, start)
    finally:
        os.close(null)
        for copy in copies.values():
            os.close(copy)


def _spare_copy(descriptor: int) -> int:
    """A copy above all numbers that a child will see, so that placing one never overwrites another."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_SPARE_FD)


def _inheritable_fds() -> list[int]:
    """Descriptors that a program would inherit: those that we got from our own parent."""
    found = []
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.get_inheritable(int(entry)):
                found.append(int(entry))
    return found
