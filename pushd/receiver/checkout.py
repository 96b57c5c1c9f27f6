"""A commit, and its tree written into a folder.

The tree is read and judged as a whole before the first file is written. Files are made through folder descriptors, never
through a symlink, so nothing lands outside the folder and no path is too long.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dulwich.object_store import BaseObjectStore
from dulwich.objects import Commit, ObjectID

from pushd.errors import DiskFull, PushdError
from pushd.kit.aio import in_stoppable_thread, in_thread
from pushd.receiver.objects import open_store
from pushd.receiver.trees import FOLDER, LINK, PROGRAM, SUBMODULE, Entry, EvilTree, read_tree, shown

DEPTH_LIMIT = 200
_DESCRIPTION_LIMIT = 200
_STOP_SECONDS = 30.0
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ONLY_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Guard = Callable[[], Awaitable[None]]


class CannotCheckOut(PushdError):
    """The commit's tree cannot become files: a submodule, a name that leads elsewhere or that the disk cannot hold."""

    id, status = "invalid_params", 422


class CommitSource:
    """One pushed commit, as the builder needs it; reads its objects where they are now, in quarantine or not.

    `guard` is asked first, each time: it raises when the commit may no longer be deployed.
    """

    def __init__(self, commit: str, description: str, objects: Sequence[Path], guard: Guard | None = None) -> None:
        self.commit = commit
        self.description = description
        self._objects = tuple(objects)
        self._guard = guard

    @classmethod
    async def read(cls, commit: str, objects: Sequence[Path], guard: Guard | None = None) -> CommitSource:
        """Raises: CannotCheckOut if this is no commit, or its objects cannot be read."""
        return cls(commit, await in_thread(_read_description, commit, objects), objects, guard)

    async def checkout(self, folder: Path) -> None:
        """Write the commit's tree into an empty folder: exec bits, symlinks and bytes as they are.

        Raises: CannotCheckOut, DiskFull.
        """
        if self._guard is not None:
            await self._guard()
        await in_stoppable_thread(self._checkout, folder, within=_STOP_SECONDS)

    def _checkout(self, folder: Path, *, stopped: Callable[[], bool]) -> None:
        with open_store(*self._objects) as store:
            try:
                commit = store[ObjectID(self.commit.encode())]
                assert isinstance(commit, Commit)
                tree = _Tree(store, commit.tree, at=b"", depth=0, stopped=stopped)
                with _opened(folder) as descriptor:
                    tree.write(descriptor)
            except EvilTree as error:
                raise CannotCheckOut(f"cannot check out {self.commit[:7]}: {error}", remedy=_REWRITE) from error
            except KeyError as error:
                raise CannotCheckOut(f"cannot check out {self.commit[:7]}: an object is missing", remedy=_PUSH_ANEW) from error
            except _Stopped:
                return  # nobody waits for it


class _Stopped(Exception):
    """The build was cancelled, or its time is over."""


class _Tree:
    """One folder of the commit, with all below it; made only if every name in it is harmless."""

    def __init__(self, store: BaseObjectStore, id_: bytes, *, at: bytes, depth: int, stopped: Callable[[], bool]) -> None:
        if stopped():
            raise _Stopped
        if depth > DEPTH_LIMIT:
            raise EvilTree(f"its folders are nested more than {DEPTH_LIMIT} deep")
        self._store = store
        self._at = at
        self._stopped = stopped
        self._entries = list(read_tree(store.get_raw(ObjectID(id_))[1]))
        self._folders: dict[bytes, _Tree] = {}
        for entry in self._entries:
            path = at + entry.name
            if entry.mode == SUBMODULE:
                raise CannotCheckOut(
                    f"cannot check out the submodule {shown(path)}: submodules are not fetched",
                    remedy="Put its files into the repository itself (git rm --cached PATH, remove it from .gitmodules, "
                    "git add PATH), or install it through requirements.txt.",
                )
            if entry.mode == FOLDER:
                self._folders[entry.name] = _Tree(store, _hex(entry.id), at=path + b"/", depth=depth + 1, stopped=stopped)

    def write(self, folder: int) -> None:
        for entry in self._entries:
            if self._stopped():
                raise _Stopped
            try:
                self._write_entry(entry, folder)
            except OSError as error:
                raise self._explained(entry, error) from error

    def _write_entry(self, entry: Entry, folder: int) -> None:
        if entry.mode == FOLDER:
            os.mkdir(entry.name, 0o755, dir_fd=folder)
            with _opened(entry.name, dir_fd=folder) as descriptor:
                os.fchmod(descriptor, 0o755)
                self._folders[entry.name].write(descriptor)
            return
        data = self._store.get_raw(ObjectID(_hex(entry.id)))[1]
        if entry.mode == LINK:
            if b"\0" in data:
                raise OSError(errno.EINVAL, "NUL in a symlink")
            os.symlink(data, entry.name, dir_fd=folder)
            return
        descriptor = os.open(entry.name, _NEW_FILE, 0o600, dir_fd=folder)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fchmod(descriptor, 0o755 if entry.mode == PROGRAM else 0o644)  # whatever our umask says
        finally:
            os.close(descriptor)

    def _explained(self, entry: Entry, error: OSError) -> PushdError:
        path = shown(self._at + entry.name)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return DiskFull(f"cannot write {path}: the disk is full", remedy="Make room on the server, then push again.")
        return CannotCheckOut(f"cannot write {path}: {os.strerror(error.errno or 0)}", remedy="Give it another name.")


def _read_description(commit: str, objects: Sequence[Path]) -> str:
    with open_store(*objects) as store:
        try:
            found = store[ObjectID(commit.encode())]
        except (KeyError, OSError) as error:
            raise CannotCheckOut(f"cannot read the commit {commit[:7]}", remedy=_PUSH_ANEW) from error
    if not isinstance(found, Commit):
        raise CannotCheckOut(f"{commit[:7]} is no commit, so it cannot be deployed", remedy="Push a branch.")
    text: str = found.message.decode("utf-8", "replace").strip()
    return text.partition("\n")[0][:_DESCRIPTION_LIMIT]


@contextmanager
def _opened(folder: Path | bytes, *, dir_fd: int | None = None) -> Iterator[int]:
    descriptor = os.open(folder, _ONLY_FOLDER, dir_fd=dir_fd)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _hex(id_: bytes) -> bytes:
    return id_.hex().encode()


_REWRITE = "Rewrite the commit without it (git rebase or git filter-repo), then push again."
_PUSH_ANEW = "Push again; if that does not help, look at the repository with `git fsck`."
