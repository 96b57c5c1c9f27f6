"""The folders of one app's build: made afresh, gone afterwards. Killed in between, the next build clears them away."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from pushd.builder.closing import close_tree
from pushd.builder.folders import READ_LIMIT_BYTES, read_inside
from pushd.kit.crash import crash_point
from pushd.kit.ownership import give, make_owned, make_shared
from pushd.kit.remove import remove_tree
from pushd.layout import Layout

log = logging.getLogger(__name__)

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SALT = ".salt"  # in the environments' folder: new after each build that asked for no cache
_SALT_BYTES = 64


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where one build of one app happens. An app's builds take turns, so the place is always the same.

    The tree lies on the shelf of the slugs, so that a finished one is moved there and not copied.
    """

    layout: Layout
    app_id: UUID
    user: int | None = None  # whom the build runs as, where we can choose

    @property
    def top(self) -> Path:
        return _builds(self.layout) / str(self.app_id)

    @property
    def tree(self) -> Path:
        """The app's files; what buildpacks know as BUILD_DIR."""
        return self.top / "app"

    @property
    def side(self) -> Path:
        """What buildpacks see beside the app."""
        return self.top / "side"

    @property
    def packs(self) -> Path:
        """Copies of the buildpacks: they may write into their own folder (`export`)."""
        return self.side / "buildpacks"

    @property
    def fetched(self) -> Path:
        """Buildpacks from elsewhere, before they are copied: the build does not see this folder."""
        return self.top / "fetched"

    @property
    def env_dir(self) -> Path:
        """One file per config var; what buildpacks know as ENV_DIR."""
        return self.side / "env"

    @property
    def result(self) -> Path:
        """Where buildpacks and what runs them leave answers."""
        return self.side / "result"

    @property
    def cache(self) -> Path:
        return self.layout.cache(self.app_id)

    @property
    def environments(self) -> Path:
        return self.layout.environments(self.app_id)

    @property
    def incoming(self) -> Path:
        """An environment that is copied, on the disk of the others: nobody but us can reach it before it is done."""
        return self.layout.incoming_environment(self.app_id)

    def open(self) -> None:
        """Make the empty folders, whatever a build that was killed left."""
        self.clear()
        for folder in (self.tree, self.packs, self.env_dir, self.result):
            folder.mkdir(parents=True, exist_ok=True)
        self.top.chmod(0o700)
        make_owned(self.cache, self.user)
        make_shared(self.environments, self.user)
        crash_point("workshop.opened")

    def furnish(self, packs: Sequence[Path], config: Mapping[str, str]) -> list[Path]:
        """Put in copies of the buildpacks and the config vars; gives the copies."""
        for name, value in config.items():
            with open(os.open(self.env_dir / name, _NEW_FILE, 0o600), "wb") as file:
                file.write(value.encode("utf-8", "surrogateescape"))
        crash_point("workshop.furnished")
        return [Path(shutil.copytree(pack, self.packs / pack.name, symlinks=True)) for pack in packs]

    def hand_over(self) -> None:
        """What the build writes is its user's."""
        if self.user:
            give(self.tree, self.user)
            give(self.side, self.user)

    def take_back(self) -> int:
        """After the build the tree is ours again: a slug is nobody's to write, and only looks like its user's to dynos.

        Gives how many files somebody still had open for writing. Raises: BuildFailed when they go on changing it.
        """
        if not self.user:
            return 0
        give(self.tree, 0)
        return close_tree(self.tree)

    def answer(self, name: str) -> str:
        """The text that a build left under this name; "" if none."""
        data = read_inside(self.result, name) or b""
        return data[:READ_LIMIT_BYTES].decode("utf-8", "replace").strip()

    def salt(self) -> str:
        """Part of every environment's name; changes with `forget_cache`."""
        return (read_inside(self.environments, _SALT) or b"")[:_SALT_BYTES].decode("ascii", "replace").strip()

    def forget_cache(self) -> None:
        """Start over: nothing of earlier builds is used. Environments that dynos run in stay, under names not used again."""
        remove_tree(self.cache)
        remove_tree(self.environments / ".cache")
        make_owned(self.cache, self.user)
        salt = self.environments / _SALT
        remove_tree(salt)  # a build may have put a link there: we must not write through it
        file = os.open(salt, _NEW_FILE, 0o644)
        try:
            os.write(file, os.urandom(8).hex().encode())
        finally:
            os.close(file)

    def clear(self) -> None:
        """Remove all that belongs to one build only; its top comes last, for that is what a later daemon looks for."""
        remove_tree(self.incoming)
        remove_tree(self.top)


def workshops(layout: Layout) -> list[UUID]:
    """The apps whose build is under way, or was killed."""
    folder = _builds(layout)
    return [UUID(path.name) for path in folder.iterdir()] if folder.is_dir() else []


def empty_workshops(layout: Layout) -> None:
    """Make room at the start: no build runs, and what a killed one wrote may leave none for the store to be opened.

    The folders themselves stay: they tell whose environments the builder's sweep has to look at.
    """
    for app_id in workshops(layout):
        for path in Workshop(layout, app_id).top.iterdir():
            try:
                remove_tree(path)
            except OSError as error:  # a program of that app that still runs may go on writing there: no matter of the others
                log.warning("what a build left stays", extra={"app": app_id, "cause": str(error)})


def _builds(layout: Layout) -> Path:
    return layout.slugs / ".builds"
