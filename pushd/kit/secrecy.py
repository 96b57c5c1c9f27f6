"""What a process knows stays in it: no core file, no look into its memory."""

from __future__ import annotations

import ctypes
import os
import resource

_PR_SET_DUMPABLE = 4


def keep_memory_closed() -> None:
    """No core is written when this process dies, and no other process of its user may trace it or read its memory.

    Programs that it starts are not concerned. Root may look all the same. Raises: OSError. Source: prctl(2), core(5).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
