"""Whether the disk has room for a push, and what to say when it has not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pushd.errors import DiskFull
from pushd.kit.disk import is_full, room_of

MEGABYTE = 1_000_000


def check_room(folder: Path, reserve_bytes: int, reserve_files: int) -> None:
    """Raises: DiskFull when less than the reserve is free."""
    if lack := room_of(folder).lack(reserve_bytes=reserve_bytes, reserve_files=reserve_files):
        raise no_room(lack)


def has_room(path: Path) -> bool:
    """Whether anything at all can still be written beside `path`."""
    return not room_of(path).lack(reserve_bytes=MEGABYTE, reserve_files=1)


@contextmanager
def explaining_full_disk() -> Iterator[None]:
    """Turns the system's "no space left" into DiskFull, and lets every other error pass."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise no_room("no space is left") from error
        raise


def no_room(why: str) -> DiskFull:
    """The error for a disk that cannot take a push."""
    return DiskFull(f"The disk of the server is full: {why}. Nothing was stored.", remedy="Make room there, then push again.")
