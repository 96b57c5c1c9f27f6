"""Text that a program is handed by a descriptor: an argument in its command line could be read by every user of the machine."""

from __future__ import annotations

import os
from collections.abc import Sequence


def in_memory(content: bytes) -> int:
    """A descriptor of a nameless file that holds it, read from its start. The caller closes it."""
    descriptor = os.memfd_create("pushd")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def joined(words: Sequence[str]) -> bytes:
    """Words as a file can hold them, NUL after each."""
    return b"".join(os.fsencode(word) + b"\0" for word in words)


def read_words(descriptor: int) -> list[str]:
    """What `joined` has written, from a descriptor that is closed by this."""
    with os.fdopen(descriptor, "rb") as file:
        return [os.fsdecode(word) for word in file.read().split(b"\0")[:-1]]
