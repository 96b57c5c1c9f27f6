"""Tells a disk without room from every other trouble."""

from __future__ import annotations

import errno
import os
import shutil

_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_full(error: BaseException) -> bool:
    """Whether this is the system's "no space left", or "quota exceeded".

    `shutil.copytree` gathers the errors of all files as text, so there the words decide.
    """
    if isinstance(error, shutil.Error):
        return any(os.strerror(number) in str(error) for number in _FULL)
    return isinstance(error, OSError) and error.errno in _FULL
