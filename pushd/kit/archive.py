"""Archives that others made, unpacked without being led astray: tar (plain, gzip, bzip2, xz) and zip. Everything here blocks.

Files are made through folder descriptors, never through a symlink: nothing lands outside the folder. Source: what GNU tar
and Python's tarfile learned the hard way (CVE-2007-4559).
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

_ENTRIES = 200_000
_DEPTH = 200
_CHUNK_BYTES = 1 << 16
_HEADER_BYTES = 1 << 20  # of one extended header, which is read as a whole, and of all that hold for the rest of the archive
_BESIDE_BYTES = 2048  # what a tar may have for each entry beside its content
_ZIP_LIST_BYTES = 32 << 20  # a zip's list of all its files, which is read as a whole
_LINK_BYTES = 4096
_EXTENDED = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_SKIPPED = b".git"  # what git keeps of a work tree is no part of the app
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ONLY_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPENERS: tuple[tuple[bytes, Callable[[Any], Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)
_BROKEN = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, struct.error),
    *(ValueError, IndexError, OverflowError, RecursionError, NotImplementedError, RuntimeError),
)


class BadArchive(Exception):
    """The archive is broken, or holds what must not be unpacked; the text names the entry and says why."""


class _Stopped(Exception):
    """Nobody waits for it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One file, folder or symlink of an archive."""

    name: str
    kind: int  # S_IFREG, S_IFDIR or S_IFLNK
    is_program: bool = False
    target: str = ""


def unpack(
    archive: Path, folder: Path, *, limit_bytes: int, stopped: Callable[[], bool] = lambda: False, top: str | None = None
) -> None:
    """Write an archive's files into an empty folder: exec bits and symlinks as they are, nothing else of modes and owners.

    With `top` all must lie in the folder of that name, which is left out. `.git` folders are left out. What would lead
    outside, hard links, devices and programs with setuid are refused, and so is more than `limit_bytes` in all.
    Raises: BadArchive, OSError of the disk. When `stopped()` it ends early, with what is there by then.
    """
    root = os.open(folder, _ONLY_FOLDER)
    try:
        writer = _Writer(root, limit_bytes, top)
        for entry, content in _entries(archive, limit_bytes, stopped):
            if stopped():
                return
            writer.write(entry, content)
        if not writer.entries:
            raise BadArchive("it holds no files")
    except _Stopped:
        return
    except _BROKEN as error:
        raise BadArchive(f"it is broken: {error}" if str(error) else "it is broken") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise BadArchive(f"it is broken: {error}") from error  # as bz2 tells it
    finally:
        os.close(root)


def lift_single_folder(folder: Path) -> bool:
    """If all lies in one folder, as in the archives of code hosts, move it up; gives whether it was so."""
    found = list(folder.iterdir())
    if len(found) != 1 or found[0].is_symlink() or not found[0].is_dir():
        return False
    aside = found[0].rename(folder / f".{os.urandom(8).hex()}")
    for each in list(aside.iterdir()):
        each.rename(folder / each.name)
    aside.rmdir()
    return True


def sha256_of(archive: Path) -> str:
    """Its checksum in hex."""
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Writer:
    """Makes what the entries say, below one folder."""

    def __init__(self, root: int, limit_bytes: int, top: str | None) -> None:
        self.entries = 0
        self._root = root
        self._left = self._limit_bytes = limit_bytes
        self._top = None if top is None else os.fsencode(top)

    def write(self, entry: _Entry, content: IO[bytes] | None) -> None:
        parts = self._parts(entry.name)
        if not parts:
            return
        self.entries += 1
        if self.entries > _ENTRIES:
            raise BadArchive(f"it holds more than {_ENTRIES} files")
        try:
            with self._folder(parts if entry.kind == stat.S_IFDIR else parts[:-1]) as parent:
                if entry.kind == stat.S_IFLNK:
                    self._clear(parts[-1], parent)
                    os.symlink(os.fsencode(entry.target), parts[-1], dir_fd=parent)
                elif entry.kind == stat.S_IFREG:
                    self._clear(parts[-1], parent)
                    self._copy(content, parts[-1], parent, 0o755 if entry.is_program else 0o644)
        except (FileNotFoundError, NotADirectoryError, FileExistsError, IsADirectoryError) as error:
            raise BadArchive(f"{_shown(entry.name)} stands where something else is, or below a file or link") from error
        except UnicodeEncodeError as error:
            raise BadArchive(f"{_shown(entry.name)} is no name for a file") from error

    def _parts(self, name: str) -> list[bytes]:
        """The names on the way; [] for what is left out. Raises: BadArchive for one that leads elsewhere."""
        if name.startswith("/"):
            raise BadArchive(f"{_shown(name)} is an absolute path")
        parts = [os.fsencode(part) for part in name.split("/") if part not in ("", ".")]
        if b".." in parts:
            raise BadArchive(f"{_shown(name)} leads out of its folder")
        if len(parts) > _DEPTH:
            raise BadArchive(f"its folders are nested more than {_DEPTH} deep")
        if _SKIPPED in parts:
            return []
        if self._top is not None and parts:
            if parts[0] != self._top:
                raise BadArchive(f"{_shown(name)} is not below ./{os.fsdecode(self._top)}, where all must be")
            parts = parts[1:]
        return parts

    @contextmanager
    def _folder(self, parts: list[bytes]) -> Iterator[int]:
        """A descriptor of the folder, made if it is not there; no symlink is followed."""
        descriptor = os.dup(self._root)
        try:
            for part in parts:
                try:
                    inner = os.open(part, _ONLY_FOLDER, dir_fd=descriptor)
                except FileNotFoundError:
                    os.mkdir(part, 0o755, dir_fd=descriptor)
                    inner = os.open(part, _ONLY_FOLDER, dir_fd=descriptor)
                    os.fchmod(inner, 0o755)  # whatever our umask says
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    def _clear(self, name: bytes, parent: int) -> None:
        """Of two entries of one name the later counts, as tar has it."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)

    def _copy(self, content: IO[bytes] | None, name: bytes, parent: int, mode: int) -> None:
        descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
        try:
            while content is not None and (data := content.read(_CHUNK_BYTES)):
                self._left -= len(data)
                if self._left < 0:
                    raise BadArchive(f"unpacked it is larger than {self._limit_bytes} bytes")
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)


def _entries(archive: Path, limit_bytes: int, stopped: Callable[[], bool]) -> Iterator[tuple[_Entry, IO[bytes] | None]]:
    """Each entry with what to read its content from, before the next one is asked for. Raises: BadArchive, _Stopped."""
    with archive.open("rb") as raw:
        magic = raw.read(8)
        raw.seek(0)
        if magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            yield from _zip_entries(raw)
            return
        opener = next((opener for start, opener in _OPENERS if magic.startswith(start)), None)
        with ExitStack() as stack:
            plain = raw if opener is None else stack.enter_context(opener(raw))
            bounded = _Bounded(plain, limit_bytes, stopped)
            try:
                tar = stack.enter_context(
                    tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r|", tarinfo=_Member, errorlevel=1)
                )
            except tarfile.ReadError as error:
                raise BadArchive("it is neither tar (plain, gzip, bzip2, xz) nor zip") from error
            yield from _tar_entries(tar)


class _Bounded:
    """A tar as it is read: what is skipped counts too, and is as little worth waiting for."""

    def __init__(self, plain: IO[bytes], limit_bytes: int, stopped: Callable[[], bool]) -> None:
        self._plain = plain
        self._limit_bytes = limit_bytes
        self._left = limit_bytes + _ENTRIES * _BESIDE_BYTES
        self._stopped = stopped

    def read(self, size: int) -> bytes:
        """Up to `size` bytes. Raises: BadArchive, _Stopped."""
        if self._stopped():
            raise _Stopped
        data = self._plain.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise BadArchive(f"unpacked it is larger than {self._limit_bytes} bytes")
        return data


class _Member(tarfile.TarInfo):
    """Refuses headers that would fill the memory: tarfile reads each as a whole, and keeps global ones to the end.

    Sparse files are refused here, since their maps may go on for ever.
    """

    def _proc_member(self, tar: Any) -> Any:
        if self.type in _EXTENDED and self.size > _HEADER_BYTES:
            raise BadArchive("a header in it is too long")
        if self.type == tarfile.XGLTYPE:
            tar.global_bytes = getattr(tar, "global_bytes", 0) + self.size
            if tar.global_bytes > _HEADER_BYTES:
                raise BadArchive("its global headers are too long")
        if self.type == tarfile.GNUTYPE_SPARSE:
            self._refuse_sparse(self)
        return super()._proc_member(tar)  # type: ignore[misc]  # a hook that typeshed does not know

    @staticmethod
    def _refuse_sparse(member: tarfile.TarInfo, *_: object) -> None:
        raise BadArchive(f"{_shown(member.name)} is neither file, folder nor symlink")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse  # the three ways of pax headers


def _tar_entries(tar: tarfile.TarFile) -> Iterator[tuple[_Entry, IO[bytes] | None]]:
    for member in tar:
        tar.members = []  # type: ignore[attr-defined]  # else it would remember all of them
        is_program = bool(member.mode & stat.S_IXUSR)
        if member.isdir():
            yield _Entry(name=member.name, kind=stat.S_IFDIR), None
        elif member.issym():
            yield _Entry(name=member.name, kind=stat.S_IFLNK, target=_checked_target(member.name, member.linkname)), None
        elif not member.isreg():
            what = "a hard link: pack it with tar --hard-dereference" if member.islnk() else "neither file, folder nor symlink"
            raise BadArchive(f"{_shown(member.name)} is {what}")
        elif member.mode & (stat.S_ISUID | stat.S_ISGID):
            raise BadArchive(f"{_shown(member.name)} is a program with setuid or setgid")
        else:
            yield _Entry(name=member.name, kind=stat.S_IFREG, is_program=is_program), tar.extractfile(member)


class _Listed:
    """A zip whose list of files is not too long for the memory."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw

    def read(self, size: int = -1) -> bytes:
        """As a file does it. Raises: BadArchive."""
        if size > _ZIP_LIST_BYTES:
            raise BadArchive(f"it holds more than {_ENTRIES} files")
        return self._raw.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


def _zip_entries(raw: IO[bytes]) -> Iterator[tuple[_Entry, IO[bytes] | None]]:
    size = os.fstat(raw.fileno()).st_size
    with zipfile.ZipFile(cast(IO[bytes], _Listed(raw))) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            if info.flag_bits & 1:
                raise BadArchive(f"{_shown(info.filename)} is encrypted")
            if info.is_dir():
                yield _Entry(name=info.filename, kind=stat.S_IFDIR), None
                continue
            if mode & (stat.S_ISUID | stat.S_ISGID):
                raise BadArchive(f"{_shown(info.filename)} is a program with setuid or setgid")
            if not 0 <= info.header_offset < size:
                raise BadArchive(f"it is broken: {_shown(info.filename)} is not in it")
            with archive.open(info) as content:
                if stat.S_ISLNK(mode):
                    target = _checked_target(info.filename, os.fsdecode(content.read(_LINK_BYTES + 1)))
                    yield _Entry(name=info.filename, kind=stat.S_IFLNK, target=target), None
                elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
                    yield _Entry(name=info.filename, kind=stat.S_IFREG, is_program=bool(mode & stat.S_IXUSR)), content
                else:
                    raise BadArchive(f"{_shown(info.filename)} is neither file, folder nor symlink")


def _checked_target(name: str, target: str) -> str:
    if not target or "\0" in target or len(os.fsencode(target)) > _LINK_BYTES:
        raise BadArchive(f"{_shown(name)} is a symlink to nowhere")
    return target


def _shown(name: str) -> str:
    """A name for an error message: short, and without control characters."""
    return repr(name[:80])
