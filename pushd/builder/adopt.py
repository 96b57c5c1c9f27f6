"""Copies of what another app's build made, for an app that takes it over: the same files at paths of its own.

A virtualenv names its own folder in many files, and the slug names the virtualenv. Ids and names of environments are as long
as each other, so the new path takes the old one's place byte for byte, in scripts and in compiled files alike. It is a copy
and no link: a later build of the other app may write into its own environments, and must not reach this app by that.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from pushd.builder.slug import sync_tree
from pushd.kit.atomic import sync_folder
from pushd.kit.copying import copy_content, data_in
from pushd.kit.crash import crash_point
from pushd.kit.ownership import give_content, seal
from pushd.kit.remove import remove_tree
from pushd.kit.walk import walk
from pushd.layout import Layout
from pushd.model.slug import Slug

_PERMISSIONS = 0o777  # what we write is ours: setuid would lend our rights


@dataclass(frozen=True, slots=True)
class Move:
    """What stands for what in the copies; both texts are equally long."""

    old: bytes
    new: bytes

    def __post_init__(self) -> None:
        if len(self.old) != len(self.new):
            raise ValueError("a path can only take the place of one that is as long")


def adopt_files(layout: Layout, slug: Slug, app_id: UUID, tree: Path, user: int | None = None) -> str:
    """Copy a slug to `tree` and its environment to the app's own, for its user; gives that environment's name.

    An environment that was taken over before and has not changed since is used as it is.
    Raises: FileNotFoundError when slug or environment are gone, OSError.
    """
    if not slug.environment:
        copy_tree(layout.slug(slug.checksum), tree)
        return ""
    origin = layout.environment(slug.app_id, slug.environment)
    name = _name_of(slug, fingerprint(origin))
    move = Move(f"{slug.app_id}/{slug.environment}".encode(), f"{app_id}/{name}".encode())
    place = layout.environment(app_id, name)
    if not os.path.lexists(place):
        incoming = layout.incoming_environment(app_id)  # not in the app's own folder, where its programs could lead us astray
        remove_tree(incoming)
        place.parent.mkdir(parents=True, exist_ok=True)
        copy_tree(origin, incoming, move)
        if user is not None:
            give_content(incoming, user)
        seal(incoming, user)
        sync_tree(incoming)
        crash_point("slug.environment-copied")
        incoming.rename(place)
        sync_folder(place.parent)
    copy_tree(layout.slug(slug.checksum), tree, move)
    crash_point("slug.adopted")
    return name


def fingerprint(folder: Path) -> str:
    """Changes with every file in the folder, by name, mode, size and time; what Python itself writes does not count."""
    digest = hashlib.sha256()
    for inside, fd, names in _walk(folder):
        for name in names:
            status = os.lstat(name, dir_fd=fd)
            target = os.readlink(name, dir_fd=fd) if stat.S_ISLNK(status.st_mode) else ""
            if not (name == "__pycache__" or "__pycache__" in Path(inside).parts or stat.S_ISDIR(status.st_mode)):
                values = (inside, name, status.st_mode, status.st_size, status.st_mtime_ns, target)
                digest.update(repr(values).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def copy_tree(origin: Path, place: Path, move: Move | None = None) -> None:
    """A folder with all that is in it, in files, folders and links `move.new` for `move.old`; modes and times stay.

    Whoever writes into `origin` meanwhile cannot lead us out of it. FIFOs, sockets and devices are left out.
    """
    place.mkdir(parents=True, exist_ok=True)
    for inside, fd, names in _walk(origin):
        target = place / inside
        for name in names:
            status = os.lstat(name, dir_fd=fd)
            if stat.S_ISDIR(status.st_mode):
                (target / name).mkdir(exist_ok=True)
            elif stat.S_ISLNK(status.st_mode):
                link = os.fsencode(os.readlink(name, dir_fd=fd))
                os.symlink(link.replace(move.old, move.new) if move else link, target / name)
            elif stat.S_ISREG(status.st_mode):
                _copy_file(name, fd, target / name, move)
        os.chmod(target, os.fstat(fd).st_mode & _PERMISSIONS | stat.S_IRWXU)


def _walk(top: Path) -> Iterator[tuple[str, int, list[str]]]:
    """(path below the top, open folder, sorted names in it), a folder before those in it. Raises: FileNotFoundError."""
    for folder in walk(top):
        folder.folders.sort()
        yield "/".join(folder.names) or ".", folder.descriptor, sorted([*folder.folders, *folder.others])


def _copy_file(name: str, folder: int, place: Path, move: Move | None) -> None:
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        status = os.fstat(source)
        target = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if copy_content(source, target) and move is not None:
                _replace(target, move)
            os.fchmod(target, status.st_mode & _PERMISSIONS)
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))  # bytecode names its source's time
        finally:
            os.close(target)
    finally:
        os.close(source)


def _replace(file: int, move: Move) -> None:
    """Holes hold no path, and are not looked through."""
    with mmap.mmap(file, 0, prot=mmap.PROT_READ) as content:
        for start, end in data_in(file, len(content)):
            at = content.find(move.old, start, end)
            while at >= 0:
                os.pwrite(file, move.new, at)
                at = content.find(move.old, at + len(move.old), end)


def _name_of(slug: Slug, content: str) -> str:
    """As long as the old name, and another whenever the content is another: what runs by that name never changes."""
    length = len(slug.environment)
    digest = hashlib.shake_256(f"{slug.app_id}/{slug.environment}/{content}".encode())
    return digest.hexdigest((length + 1) // 2)[:length]
