"""Our bare repositories: one per app, made when it is first needed; refs, HEAD and history in them.

Everything of `Repository` blocks: call it in a thread. Objects enter through `quarantine.py` only.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

from dulwich.errors import RefFormatError
from dulwich.file import FileLocked
from dulwich.object_store import BaseObjectStore
from dulwich.objects import ObjectID
from dulwich.refs import DiskRefsContainer, Ref

from pushd.errors import PushdError
from pushd.kit.aio import in_thread
from pushd.kit.atomic import sync_folder, write_atomically
from pushd.kit.crash import crash_point
from pushd.layout import Layout
from pushd.receiver import damage
from pushd.receiver.commands import ZERO, Command
from pushd.receiver.objects import descends

FIRST_HEAD = "master"  # until a branch was deployed
_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n[gc]\n\tauto = 0\n"
_BRANCH = "refs/heads/"


class FetchFirst(PushdError):
    """The branch has moved since the client looked, and the pushed commit does not contain what is there now."""

    id, status = "fetch_first", 422

    def __init__(self, ref: str) -> None:
        super().__init__(
            f"fetch first: {ref.removeprefix(_BRANCH)} was moved by another push",
            remedy="Fetch, put your commits on top of what is there, and push again.",
        )


class Repository:
    """One bare repository on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = folder / "objects"
        self.quarantines = folder / "quarantine"

    def make(self) -> None:
        """Create it if it is not there, whole or not at all; else mend what a bad disk left. Raises: RepositoryDamaged."""
        if self.folder.exists():
            self._mend()
            return damage.check(self.folder)
        new = self.folder.with_name(f"{self.folder.name}.{uuid4()}.new")
        for name in ("objects/pack", "objects/info", "refs/heads", "refs/tags", "quarantine"):
            (new / name).mkdir(parents=True, mode=0o700)
        write_atomically(new / "config", _CONFIG.encode())
        write_atomically(new / "HEAD", f"ref: {_BRANCH}{FIRST_HEAD}\n".encode())
        for folder in (new / "objects", new / "refs"):
            sync_folder(folder)
        crash_point("repository.half-made")
        try:
            new.rename(self.folder)
        except OSError:  # somebody else was first
            shutil.rmtree(new)
        sync_folder(self.folder.parent)

    def _mend(self) -> None:
        """Two small files are written anew if they say nothing."""
        head, config = self.folder / "HEAD", self.folder / "config"
        if not _read(head).startswith(f"ref: {_BRANCH}".encode()):
            write_atomically(head, f"ref: {_BRANCH}{FIRST_HEAD}\n".encode())
        if b"[core]" not in _read(config):
            write_atomically(config, _CONFIG.encode())

    def refs(self) -> dict[str, str]:
        """Every ref and its value, HEAD left out; ordered by name."""
        found = self._container().as_dict()
        return {_text(name): value.decode() for name, value in sorted(found.items()) if name.startswith(b"refs/")}

    def value(self, ref: str) -> str:
        """What a ref names; ZERO if there is none."""
        try:
            return self._container()[_ref(ref)].decode()
        except KeyError:
            return ZERO

    def head(self) -> str:
        """The branch that HEAD names, whether or not it exists: the one that was deployed last."""
        return (self.folder / "HEAD").read_text().strip().removeprefix(f"ref: {_BRANCH}")

    def set_head(self, branch: str) -> None:
        """Let HEAD name `branch`: a clone checks it out."""
        write_atomically(self.folder / "HEAD", f"ref: {_BRANCH}{branch}\n".encode("utf-8", "surrogateescape"))

    def check_movable(self, command: Command, store: BaseObjectStore) -> str:
        """The value that the ref has now, if this command may replace it: what the client saw, or an ancestor of the new one.

        Raises: FetchFirst.
        """
        current = self.value(command.ref)
        if current in (command.old, command.new):
            return current
        if command.is_delete or current == ZERO or not descends(store, command.new, current):
            raise FetchFirst(command.ref)
        return current

    def move(self, command: Command, current: str) -> str:
        """Move a ref from `current` to the command's new value: "" or why that was not possible."""
        container, ref, expected = self._container(), _ref(command.ref), ObjectID(current.encode())
        try:
            if command.is_delete:
                moved = container.remove_if_equals(ref, expected)
            else:
                moved = container.set_if_equals(ref, expected, ObjectID(command.new.encode()))
        except (NotADirectoryError, IsADirectoryError, FileExistsError):
            return "another ref's name stands in the way"
        except (FileLocked, RefFormatError):
            return "failed to update ref"
        self._sync_names(self.folder / os.fsdecode(ref))
        return "" if moved else "failed to update ref"

    def size_bytes(self) -> int:
        """What the repository takes on disk."""
        total = 0
        for folder, _, names in os.walk(self.folder):
            for name in names:
                with suppress(FileNotFoundError):
                    total += os.lstat(os.path.join(folder, name)).st_size
        return total

    def _sync_names(self, file: Path) -> None:
        """Bring the name of a ref to the disk, with the folders that were made for it; a deleted one may be in packed-refs."""
        while file != self.folder:
            file = file.parent
            with suppress(FileNotFoundError):  # it went with its last ref
                sync_folder(file)

    def _container(self) -> DiskRefsContainer:
        return DiskRefsContainer(self.folder)


class Repositories:
    """The repositories of all apps, by the app's id."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    async def open(self, app_id: UUID) -> Repository:
        """The app's repository, made now if there is none. Raises: RepositoryDamaged."""
        repository = Repository(self._layout.repository(app_id))
        await in_thread(repository.make)
        return repository

    async def destroy(self, app_id: UUID) -> None:
        """Remove it, if there is one."""
        await in_thread(_remove, self._layout.repository(app_id))

    async def size_bytes(self, app_id: UUID) -> int:
        """What the repository takes on disk; 0 if there is none."""
        return await in_thread(Repository(self._layout.repository(app_id)).size_bytes)

    def sweep(self) -> None:
        """Remove what a killed daemon left: quarantines, half-accepted packs, locks, half-made and half-removed repositories.

        Blocks.
        """
        for folder in self._layout.repository(UUID(int=0)).parent.iterdir():
            if folder.suffix == ".git":
                for quarantine in folder.glob("quarantine/*"):
                    shutil.rmtree(quarantine, ignore_errors=True)
                for lock in (*folder.glob("*.lock"), *folder.glob("refs/**/*.lock")):
                    lock.unlink(missing_ok=True)
                for pack in folder.glob("objects/pack/*.pack"):
                    if not pack.with_suffix(".idx").exists():  # its push was not accepted to the end: nobody reads it
                        pack.unlink()
            else:
                shutil.rmtree(folder, ignore_errors=True)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def _remove(folder: Path) -> None:
    gone = folder.with_name(f"{folder.name}.{uuid4()}.gone")
    with suppress(FileNotFoundError):
        folder.rename(gone)
        crash_point("repository.set-aside")
        shutil.rmtree(gone)


def _ref(name: str) -> Ref:
    return Ref(name.encode("utf-8", "surrogateescape"))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
