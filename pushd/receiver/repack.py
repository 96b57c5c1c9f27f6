"""Many packs of many pushes made one, by the git program. Nothing is thrown away, what no ref names any more neither.

The new pack goes the way of a push's: it is made in a quarantine, brought to the disk and moved in; only then the old ones go.
Killed at any point, the repository is whole: what is twice there goes the next time. Whoever has an old pack open reads on.
"""

from __future__ import annotations

import logging
from pathlib import Path

from pushd.kit import proc
from pushd.kit.aio import finish, in_thread
from pushd.kit.atomic import sync_folder
from pushd.receiver.child import ENVIRON
from pushd.receiver.quarantine import Quarantine
from pushd.receiver.repositories import Repository

log = logging.getLogger(__name__)

PACKS_AT_MOST = 50  # as gc.autoPackLimit of git-gc(1)
_CLEANUP_SECONDS = 60.0


async def repack(repository: Repository, git: str, *, within: float, packs_at_most: int = PACKS_AT_MOST) -> bool:
    """Put the packs together if there are more than `packs_at_most`; whether it did. Raises: OSError.

    A git that is not done after `within` seconds is ended, and the next push tries again.
    """
    old = await in_thread(_packs, repository)
    if len(old) <= packs_at_most:
        return False
    quarantine = await in_thread(Quarantine, repository)
    try:
        target = quarantine.objects / "pack" / "pack"
        argv = [git, "-c", "safe.directory=*", "pack-objects", "--all", "--keep-unreachable", "--non-empty", "-q", str(target)]
        env = {**ENVIRON, "GIT_DIR": str(repository.folder)}
        status = await proc.run(["nice", "-n", "19", *argv], env=env, on_output=lambda _: None, within=within)
        made = {path.name for path in (quarantine.objects / "pack").glob("pack-*.idx")}
        if status != 0 or not made:
            log.warning("repository not repacked", extra={"repository": repository.folder.name, "status": status})
            return False
        await in_thread(quarantine.accept)
        await in_thread(_remove, repository, [name for name in old if name not in made])
        return True
    except proc.RanTooLong as error:
        log.warning("repository not repacked", extra={"repository": repository.folder.name, "why": str(error)})
        return False
    finally:
        await finish(in_thread(quarantine.remove), within=_CLEANUP_SECONDS)


def _packs(repository: Repository) -> list[str]:
    """Names of the indexes."""
    return sorted(path.name for path in (repository.objects / "pack").glob("pack-*.idx"))


def _remove(repository: Repository, indexes: list[str]) -> None:
    """Each index first: a pack without one is not looked at."""
    folder = repository.objects / "pack"
    for index in indexes:
        for file in (folder / index, *_beside(folder / index)):
            file.unlink(missing_ok=True)
    sync_folder(folder)


def _beside(index: Path) -> list[Path]:
    return [index.with_suffix(suffix) for suffix in (".pack", ".rev", ".bitmap", ".mtimes")]
