"""From a build folder to a slug: what .slugignore leaves out, the checksum, the place on the shelf."""

from __future__ import annotations

import ctypes
import errno
import fnmatch
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pushd.builder.cache import REMOVED, set_aside
from pushd.builder.folders import read_inside
from pushd.kit.atomic import sync_folder
from pushd.kit.crash import crash_point
from pushd.kit.remove import remove_tree

SLUGIGNORE = ".slugignore"
_READ_AT_ONCE = 1 << 18
_FEW_FILES = 64
_SYNC_THREADS = 8  # the journal takes their writes together


@dataclass(frozen=True, slots=True)
class Content:
    """What a folder holds: its checksum (SHA-256, hex) and the size of its files."""

    checksum: str
    size_bytes: int


def apply_slugignore(tree: Path) -> int:
    """Remove what the app's .slugignore names, before the build; gives how many files and folders that were.

    Source: Heroku's .slugignore: patterns as in .gitignore, one per line, # for comments, no negation.
    """
    text = read_inside(tree, SLUGIGNORE)
    if text is None:
        return 0
    lines = (line.strip() for line in text.decode("utf-8-sig", "replace").splitlines())
    patterns = [line for line in lines if line and not line.startswith(("#", "!"))]
    return sum(_remove_matching(tree, tree, pattern) for pattern in patterns)


class Stopped(Exception):
    """Nobody waits for it any more."""


def measure_content(tree: Path, *, stopped: Callable[[], bool] = lambda: False) -> Content:
    """Read a folder once. The checksum covers names, kinds, exec bits, contents and link targets; not times or owners.

    Raises: Stopped, soon after `stopped()`; it may take hours, for a file of a terabyte takes no room if it is all holes.
    """
    digest = hashlib.sha256()
    size = 0
    for path, name in _walk(tree, b""):
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            _feed(digest, b"link", name, os.readlink(path))
        elif stat.S_ISDIR(status.st_mode):
            _feed(digest, b"folder", name, b"")
        elif stat.S_ISREG(status.st_mode):
            size += status.st_size
            kind = b"executable" if status.st_mode & stat.S_IXUSR else b"file"
            _feed(digest, kind, name, _file_digest(path, stopped))
        else:
            os.unlink(path)  # a FIFO or socket that a build left: nothing an app could use
    return Content(digest.hexdigest(), size)


def is_whole(place: Path, *, stopped: Callable[[], bool] = lambda: False) -> bool:
    """Whether a folder on the shelf, if it is there, holds what its name says. Takes as long as `measure_content`."""
    try:
        return not place.exists() or measure_content(place, stopped=stopped).checksum == place.name
    except FileNotFoundError:
        return not place.exists()  # removed meanwhile


def shelve(tree: Path, place: Path, whole: bool = True) -> None:
    """Move a finished build folder to its place, which is named by its checksum; the same content there already stays.

    What stands there and is not `whole`, after a fault of the disk, is replaced. The content is on the disk before it gets its
    name: a slug that can be seen survives a power cut. Both must be on one file system.
    """
    if place.exists() and not whole:
        set_aside(place, place.parent / REMOVED)
    if not place.exists():
        tree.chmod(0o755)
        sync_tree(tree)
        try:
            tree.rename(place)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        else:
            sync_folder(place.parent)
            crash_point("slug.shelved")
            return
    remove_tree(tree)


def sync_tree(tree: Path) -> None:
    """Bring a folder with all that is in it to the disk.

    Few files are written one by one, many by flushing their file system: that takes less than so many single writes, but
    waits for what everybody else on the machine has written too.
    """
    paths = [os.fsencode(tree), *(path for path, _ in _walk(tree, b"") if not os.path.islink(path))]
    if len(paths) > _FEW_FILES:
        sync_file_system(tree)
        return
    with ThreadPoolExecutor(_SYNC_THREADS, thread_name_prefix="sync") as threads:
        list(threads.map(_sync_path, paths))


def sync_file_system(folder: Path) -> None:
    """Bring to the disk all that was written on the file system of `folder`. Source: syncfs(2)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def _sync_path(path: bytes) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_libc = ctypes.CDLL(None, use_errno=True)


def _walk(folder: Path | str, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(path, path below the top) of everything, in the order of the bytes of the names; links are not followed."""
    path = os.fsencode(folder)
    with os.scandir(path) as entries:
        found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    for name, is_folder in found:
        yield os.path.join(path, name), prefix + name
        if is_folder:
            yield from _walk(os.fsdecode(os.path.join(path, name)), prefix + name + b"/")


def _feed(digest: hashlib._Hash, kind: bytes, name: bytes, content: bytes) -> None:
    digest.update(b"%b %d %b %d %b\n" % (kind, len(name), name, len(content), content))


def _file_digest(path: bytes, stopped: Callable[[], bool]) -> bytes:
    digest, part = hashlib.sha256(), memoryview(bytearray(_READ_AT_ONCE))
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
        while length := file.readinto(part):
            if stopped():
                raise Stopped
            digest.update(part[:length])
    return digest.digest()


def _remove_matching(top: Path, folder: Path, pattern: str) -> int:
    """A pattern with a slash inside counts from the top, one without at every depth; one with a slash at its end, folders."""
    folders_only, body = pattern.endswith("/"), pattern.strip("/")
    anchored = "/" in pattern.rstrip("/")
    removed = 0
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path, is_folder = Path(entry.path), entry.is_dir(follow_symlinks=False)
        shown = str(path.relative_to(top)) if anchored else entry.name
        if (is_folder or not folders_only) and fnmatch.fnmatchcase(shown, body) and (not anchored or _same_depth(shown, body)):
            remove_tree(path) if is_folder else path.unlink()
            removed += 1
        elif is_folder:
            removed += _remove_matching(top, path, pattern)
    return removed


def _same_depth(shown: str, body: str) -> bool:
    return "**" in body or shown.count("/") == body.count("/")
