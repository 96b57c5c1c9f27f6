"""What a process knows stays in it: no core file, no look into its memory, no keys of the kernel handed on."""

from __future__ import annotations

import ctypes
import os
import resource

_PR_SET_DUMPABLE = 4
_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "armv7l": 311, "i686": 288, "ppc64le": 271, "s390x": 280}
_JOIN_SESSION_KEYRING, _SETPERM, _SESSION_KEYRING = 1, 5, -3


def keep_memory_closed() -> None:
    """No core is written when this process dies, and no other process of its user may trace it or read its memory.

    Programs that it starts are not concerned. Root may look all the same. Raises: OSError. Source: prctl(2), core(5).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def close_session_keyring() -> bool:
    """Give this process, and all that it starts, a session keyring that nobody finds keys in or adds any to; whether it is so.

    Namespaces do not keep keyrings apart: programs would share the one that we were started with, and what is in it. To be
    called while there is one thread. False where the kernel or a container knows no keys, to programs either. Source:
    keyctl(2), session-keyring(7).
    """
    number = _KEYCTL.get(os.uname().machine)
    if number is None:
        return False
    keyctl = ctypes.CDLL(None, use_errno=True).syscall
    keyctl.restype = ctypes.c_long
    if keyctl(number, _JOIN_SESSION_KEYRING, None) < 0:
        return False
    return int(keyctl(number, _SETPERM, _SESSION_KEYRING, 0)) == 0
