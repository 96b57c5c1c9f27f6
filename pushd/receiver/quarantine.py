"""Objects of one push, kept apart from the repository's until the push is accepted."""

from __future__ import annotations

import os
import shutil
from uuid import uuid4

from pushd.kit.atomic import sync_file, sync_folder
from pushd.kit.crash import crash_point
from pushd.receiver.repositories import Repository

_LAST = ".idx"  # a pack counts as there once its index is


class Quarantine:
    """A folder inside the repository with an object store of its own, which sees the repository's objects too.

    What a killed daemon leaves of it nobody reads, and `Repositories.sweep` removes it.
    """

    def __init__(self, repository: Repository) -> None:
        self.folder = repository.quarantines / str(uuid4())
        self.objects = self.folder / "objects"
        self._packs = repository.objects / "pack"
        try:
            (self.objects / "pack").mkdir(parents=True, mode=0o700)
            (self.objects / "info").mkdir()
            (self.objects / "info" / "alternates").write_bytes(os.fsencode(repository.objects.absolute()) + b"\n")
        except OSError:
            self.remove()
            raise

    def accept(self) -> None:
        """Move the packs into the repository, whole and durable, each index last; running it twice is fine. Blocks."""
        files = sorted((self.objects / "pack").iterdir(), key=lambda file: file.suffix == _LAST)
        for file in files:
            file.chmod(0o444)
            sync_file(file)
            file.rename(self._packs / file.name)
            crash_point("push.half-accepted")
        if files:
            sync_folder(self._packs)

    def remove(self) -> None:
        """Forget the objects that were not accepted. Blocks."""
        shutil.rmtree(self.folder, ignore_errors=True)
