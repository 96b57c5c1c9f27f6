"""Which user each app runs as: a range of uids that no other data folder of this machine has, and one of them per app.

The last one is no app's: commands over SSH run as it.

The range is noted in a folder of the machine, not of the data folder: a note that says which folder has it, locked as long as
its daemon runs. Dynos outlive daemons and files outlive dynos, so a note counts until its data folder is gone. What is stored
of an app is its number in the range: a folder that comes to another machine, or gets another range, keeps its apps' numbers.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from pushd.errors import PushdError, Unavailable
from pushd.kit.disk import is_full
from pushd.kit.uids import UNUSED, UidRange, is_known, parse_uid_range

NOTES = Path("/run/pushd/uids")
BLOCK = 65_536  # uids that a data folder gets when nobody says which
_LOCK = ".lock"


class UidsTaken(PushdError):
    """Another data folder of this machine has uids of the range that the operator wants."""

    id, status = "uids_taken", 500


class NoUids(Exception):
    """This machine has none for apps; the text says why."""


class Numbers(Protocol):
    """What we need of the store."""

    async def number_of(self, app_id: UUID, *, below: int) -> int | None:
        """The app's own, given out now if it has none; None when all are taken."""


@dataclass(frozen=True, slots=True)
class AppUids:
    """The uid of each app: one of `within`; 0 without a range; None when nobody can choose, for we are not root."""

    numbers: Numbers
    within: UidRange | None
    is_root: bool

    async def uid_of(self, app_id: UUID) -> int | None:
        """The same for as long as files of the app may be there. Raises: Unavailable when all are taken."""
        if not self.is_root:
            return None
        if self.within is None:
            return 0
        for_apps = len(self.within) - 1
        number = await self.numbers.number_of(app_id, below=for_apps)
        if number is None:
            raise Unavailable(
                f"All {for_apps} uids for apps of {self.within} are taken.",
                remedy="The operator can give a larger uid_range.",
            )
        return self.within.first + number


@contextmanager
def reserved(wanted: str, data: Path, *, last: UidRange | None, notes: Path = NOTES) -> Iterator[UidRange]:
    """The range for the apps of a data folder, nobody else's inside the block. `last` is what it had before.

    `wanted` is a range, or "auto". Killed at any point, the next one takes the same again.
    Raises: UidsTaken; NoUids when the machine has none to give, or no note can be made.
    """
    try:
        notes.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(notes / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NoUids(f"{error.filename} cannot be made: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mine = notes / _name_of(data)
        taken = [other for path in notes.glob("[!.]*") if path != mine and (other := _maybe_held(path)) is not None]
        found = _chosen(wanted, taken, [each for each in (_maybe_noted(mine), last) if each is not None])
        note = _write(mine, found, data)
    finally:
        os.close(lock)
    try:
        yield found
    finally:
        os.close(note)


@contextmanager
def abandoned(*, notes: Path = NOTES) -> Iterator[list[tuple[Path, Path]]]:
    """Notes that count no more, with the data folders that they name: these are gone, and no daemon of theirs runs.

    Until the block ends nobody takes a range. Who has taken away what such a folder left on the machine removes its note, last:
    killed before that, the next one does it again. Blocks.
    """
    lock = os.open(notes / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield [(path, data) for path in sorted(notes.glob("[!.]*")) if (data := _maybe_gone(path)) is not None]
    finally:
        os.close(lock)


def _chosen(wanted: str, taken: list[tuple[UidRange, Path]], before: list[UidRange]) -> UidRange:
    if wanted == "auto":
        for each in [*before, *UNUSED.blocks(BLOCK)]:
            if not any(each.overlaps(theirs) for theirs, _ in taken):
                if not is_known(each):
                    raise NoUids(f"there are no uids {each} in this container; give others as uid_range")
                return each
        raise NoUids("other data folders of this machine have them all")
    found = parse_uid_range(wanted)
    for theirs, whose in taken:
        if found.overlaps(theirs):
            raise UidsTaken(
                f"cannot use uid_range = {found}: the data folder {whose} has {theirs}",
                remedy="Give another range, or auto; the uids are free again once that folder is removed.",
            )
    if not is_known(found):
        raise NoUids(f"there are no uids {found} in this container; give others as uid_range")
    return found


def _maybe_held(note: Path) -> tuple[UidRange, Path] | None:
    """What a note says, while its daemon runs or its data folder is there."""
    data, is_held = _read(note)
    found = _maybe_noted(note) if is_held else None
    return None if found is None else (found, data)


def _maybe_gone(note: Path) -> Path | None:
    """The data folder that a note names, if it is not held any more."""
    data, is_held = _read(note)
    return None if is_held else data


def _read(note: Path) -> tuple[Path, bool]:
    """The data folder that it names, and whether that one has its range still."""
    file = os.open(note, os.O_RDWR | os.O_CLOEXEC)
    try:
        _, _, data = os.pread(file, 10_000, 0).decode("utf-8", "surrogateescape").rstrip("\n").partition(" ")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return Path(data), True
        return Path(data), data != "" and (Path(data) / "format").exists()
    finally:
        os.close(file)


def _maybe_noted(note: Path) -> UidRange | None:
    try:
        return parse_uid_range(note.read_text("utf-8", "surrogateescape").partition(" ")[0])
    except (OSError, ValueError):
        return None


def _write(note: Path, found: UidRange, data: Path) -> int:
    """Note it and give the descriptor that holds the lock. A note that was cut short counts as none: nothing used it yet.

    A full disk keeps nobody from serving: the note is made at the next start then.
    """
    file = os.open(note, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX)
    text = os.fsencode(f"{found} {data}\n")
    if os.pread(file, len(text) + 1, 0) != text:
        os.ftruncate(file, 0)
        try:
            os.pwrite(file, text, 0)
        except OSError as error:
            if not is_full(error):
                raise
    return file


def _name_of(data: Path) -> str:
    return hashlib.sha256(os.fsencode(data)).hexdigest()[:32]
