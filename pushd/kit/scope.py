"""Starts programs that reach no abstract Unix socket but their own, by Landlock's scopes (Linux 6.12 and later).

Such a socket has a name and no file: all who share a network namespace reach it, whatever files they see. Who is in a scope
stays there, with all that they start. It is a thread that enters one, so each program is started by a thread of its own; that
takes 0.1 ms. Source: landlock(7), linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread

_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # on every architecture
_ASK_VERSION, _VERSION = 1, 6  # the first that knows scopes
_NO_NEW_PRIVS = 38
_RULES = struct.pack("=QQQ", 0, 0, 1)  # files and ports as they are; of abstract sockets those of the scope

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Scope:
    """One more scope, for one program."""

    outlives_us: bool  # else the program asks to die with its parent, and for the kernel that is the thread that started it


def has_scopes() -> bool:
    """Whether this kernel knows them."""
    return int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)) >= _VERSION


def start_in(scope: Scope, start: Callable[[], int]) -> int:
    """What `start` gives, the pid of a child of ours that is in the scope. Raises: what it raises; OSError."""
    started: Future[int] = Future()
    Thread(target=_start, args=(scope, start, started), name="starts a program in a scope", daemon=True).start()
    return started.result()


def _start(scope: Scope, start: Callable[[], int], started: Future[int]) -> None:
    try:
        _enter()
        pid = start()
    except BaseException as error:
        return started.set_exception(error)
    started.set_result(pid)
    if not scope.outlives_us:
        with suppress(ChildProcessError):  # somebody has reaped it
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def _enter() -> None:
    """For this thread, and for good. Who is no root must renounce setuid programs for it. Raises: OSError."""
    ruleset = _called(_CREATE_RULESET, ctypes.create_string_buffer(_RULES, len(_RULES)), ctypes.c_size_t(len(_RULES)), 0)
    try:
        try:
            _called(_RESTRICT_SELF, ruleset, 0)
        except PermissionError:
            _libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
            _called(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _called(number: int, *arguments: object) -> int:
    found = int(_libc.syscall(number, *arguments))
    if found < 0:
        code = ctypes.get_errno() or errno.EPERM
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return found
