"""What a bad disk or a power cut leaves in a repository: a ref that says nothing is set aside, all else is told.

It is looked at before each push and fetch, so it reads little: refs, and of each pack its beginning and end. Bytes that have
changed in the middle of a pack are for `git fsck` to find. Everything here blocks.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dulwich.errors import PackedRefsException
from dulwich.refs import DiskRefsContainer

from pushd.errors import PushdError
from pushd.kit.atomic import sync_folder
from pushd.receiver.objects import open_store

log = logging.getLogger(__name__)

_VALUE = re.compile(rb"[0-9a-f]{40}\s*|ref: refs/[^\0]+")
_INDEX_START, _PACK_START = b"\xfftOc\0\0\0\x02", b"PACK"  # gitformat-pack(5)
_TABLE_BYTES, _CHECKSUM_BYTES = 256 * 4, 20
_BYTES_PER_OBJECT = 20 + 4 + 4
_SET_ASIDE = "damaged"


class RepositoryDamaged(PushdError):
    """The server's own copy of an app's history cannot be read; nothing that was pushed is to blame (HTTP 500)."""

    id, status = "repository_damaged", 500

    def __init__(self, folder: Path, file: Path, why: str) -> None:
        home = folder.parent.parent
        super().__init__(
            f"The app's repository on the server is damaged: {file.relative_to(home)} {why}. Nothing was changed.",
            remedy=(
                f"Whoever runs the server restores that file in its data folder from a backup, or removes the folder "
                f"{folder.relative_to(home)} there: the next push fills it anew. The app runs on meanwhile."
            ),
        )


def check(folder: Path) -> None:
    """Set aside what says nothing, and find what cannot be read. Raises: RepositoryDamaged."""
    try:
        _check_refs(folder)
        for index in (folder / "objects" / "pack").glob("pack-*.idx"):
            _check_pack(folder, index)
        _check_branches(folder)
    except RepositoryDamaged as error:
        log.error("repository damaged", extra={"repository": folder.name, "why": error.message})
        raise


def _check_refs(folder: Path) -> None:
    for top, _, names in os.walk(folder / "refs"):
        for file in (Path(top, name) for name in names if not name.endswith(".lock")):
            if _says_nothing(file):
                _set_aside(folder, file)
    packed = folder / "packed-refs"
    with suppress(FileNotFoundError):
        if not packed.read_bytes().strip(b"\0"):
            packed.unlink()
    try:
        DiskRefsContainer(folder).get_packed_refs()
    except PackedRefsException as error:
        raise RepositoryDamaged(folder, packed, "is no list of refs") from error


def _says_nothing(file: Path) -> bool:
    try:
        return not _VALUE.match(file.read_bytes())
    except FileNotFoundError:  # it went just now
        return False


def _set_aside(folder: Path, file: Path) -> None:
    """The next push makes it anew. Under git's own lock: nobody else moves the ref meanwhile."""
    lock = file.with_name(f"{file.name}.lock")
    with suppress(FileExistsError), _held(lock):
        if _says_nothing(file):
            name = file.relative_to(folder)
            (folder / _SET_ASIDE).mkdir(mode=0o700, exist_ok=True)
            file.rename(folder / _SET_ASIDE / "~".join(name.parts))
            sync_folder(file.parent)
            log.warning("set aside a ref that says nothing", extra={"repository": folder.name, "ref": str(name)})


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        yield
    finally:
        lock.unlink()


def _check_pack(folder: Path, index: Path) -> None:
    pack = index.with_suffix(".pack")
    try:
        with index.open("rb") as file:
            head = file.read(len(_INDEX_START) + _TABLE_BYTES)
            count, checksum = int.from_bytes(head[-4:], "big"), _end(file.fileno(), 2 * _CHECKSUM_BYTES)[:_CHECKSUM_BYTES]
            least = len(_INDEX_START) + _TABLE_BYTES + count * _BYTES_PER_OBJECT + 2 * _CHECKSUM_BYTES
            if not head.startswith(_INDEX_START) or os.fstat(file.fileno()).st_size < least:
                raise RepositoryDamaged(folder, index, "is not whole")
        with pack.open("rb") as file:
            head = file.read(12)
            is_whole = head.startswith(_PACK_START) and int.from_bytes(head[8:], "big") == count
            if not is_whole or _end(file.fileno(), _CHECKSUM_BYTES) != checksum:
                raise RepositoryDamaged(folder, pack, "is not whole")
    except FileNotFoundError:
        if index.exists():  # else it was repacked just now
            raise RepositoryDamaged(folder, pack, "is missing") from None


def _end(descriptor: int, count: int) -> bytes:
    return os.pread(descriptor, count, max(0, os.fstat(descriptor).st_size - count))


def _check_branches(folder: Path) -> None:
    refs = {name: value for name, value in DiskRefsContainer(folder).as_dict().items() if name.startswith(b"refs/heads/")}
    for _ in range(2):  # a repack may have moved them while we looked
        with open_store(folder / "objects") as store:
            refs = {name: value for name, value in refs.items() if value not in store}
        if not refs:
            return
    for name in refs:
        raise RepositoryDamaged(folder, folder / os.fsdecode(name), "names a commit that is missing")
