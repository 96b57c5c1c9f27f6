"""The data folder of a daemon: made, locked by one process, and its operator known."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pushd.errors import DiskFull, PushdError
from pushd.kit.atomic import write_atomically
from pushd.kit.disk import is_full
from pushd.layout import Layout
from pushd.settings import Settings
from pushd.store.cipher import WrongKey
from pushd.store.keys import KeyFile
from pushd.store.store import Store
from pushd.store.users import new_token

FORMAT = 1  # raised when the folders change in a way that an older pushd would do damage by; the store has a number of its own
_TOKEN = re.compile(r"[!-~]{16,}")  # ours, or one that the operator put there


class CannotUseFolder(PushdError):
    """The data folder, or a file in it, cannot be used."""

    id, status = "cannot_use_folder", 500


class AlreadyRunning(PushdError):
    """Another daemon holds this data folder."""

    id, status = "already_running", 500


class FolderTooNew(PushdError):
    """The data folder was laid out by a newer pushd; nothing was changed."""

    id, status = "folder_too_new", 500


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """The data folder is made and ours alone inside the block. Raises: CannotUseFolder, FolderTooNew, AlreadyRunning."""
    with _explained(layout):
        is_marked = _check_format(layout)
        layout.make()
        lock = os.open(layout.daemon_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(lock, layout)
        with _explained(layout):
            os.fchmod(lock, 0o600)  # who may read it may lock it
            if not is_marked:
                write_atomically(layout.format, b"%d\n" % FORMAT, mode=0o600)
        yield
    finally:
        os.close(lock)


def key_file(settings: Settings, layout: Layout, environ: Mapping[str, str]) -> KeyFile:
    """Where the store's key is. Raises: WrongKey when what was given cannot be read."""
    if (source := settings.secret_key_from) is None:
        return KeyFile(layout.secret_key)
    try:
        return KeyFile(layout.secret_key, source.read(environ))
    except (OSError, KeyError) as error:
        reason = error.strerror if isinstance(error, OSError) else "there is no such variable"
        raise WrongKey(f"cannot read the key from {source}: {reason}", remedy="Check the setting secret_key_from.") from None


async def make_operator(store: Store, layout: Layout, domain: str) -> None:
    """At the first start: the operator's account, and its token in a file that only this user may read."""
    with _explained(layout):
        if not layout.admin_token.exists():
            write_atomically(layout.admin_token, new_token().encode() + b"\n", mode=0o600)
        token = layout.admin_token.read_text("ascii", "replace").strip()
    if not _TOKEN.fullmatch(token):
        raise CannotUseFolder(
            f"{layout.admin_token} holds no token", remedy="Remove that file: this command makes a new one at its next start."
        )
    await store.users.create_operator(f"admin@{domain}", token)


def _lock(lock: int, layout: Layout) -> None:
    """Lock the file, and write who has it now. Raises: AlreadyRunning."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
        process = f" (process {holder})" if holder.isdecimal() else ""  # none: it is starting this very moment
        raise AlreadyRunning(
            f"another daemon{process} runs in {layout.data}",
            remedy="Stop it first, or give this one another --data-dir.",
        ) from None
    text = b"%d\n" % os.getpid()
    os.ftruncate(lock, os.pwrite(lock, text, 0))


def _check_format(layout: Layout) -> bool:
    """Whether the folder says how it is laid out: no new or old one does. Raises: FolderTooNew, CannotUseFolder, OSError."""
    try:
        text = layout.format.read_text("ascii", "replace").strip()
    except FileNotFoundError:
        _check_new(layout)
        return False
    if not text.isdecimal():
        raise CannotUseFolder(
            f"{layout.format} does not hold the number of a format", remedy="Put it back from a backup of this data folder."
        )
    if int(text) > FORMAT:
        raise FolderTooNew(
            f"cannot use the data folder {layout.data}: it was laid out by a newer pushd "
            f"(format {text}, this one knows {FORMAT})",
            remedy="Install that newer version again, or give another --data-dir.",
        )
    return True


def _check_new(layout: Layout) -> None:
    """Raises: CannotUseFolder for a folder of somebody else's; an old one of ours, which says no format, has a store."""
    if not layout.store.exists() and (strangers := layout.strangers()):
        shown = ", ".join(strangers[:3]) + (", ..." if len(strangers) > 3 else "")
        raise CannotUseFolder(
            f"{layout.data} is no data folder of pushd, and it is not empty (it holds {shown}); nothing was changed",
            remedy="Give an empty folder, or one that is not there yet, as --data-dir or PUSHD_DATA_DIR.",
        )


@contextmanager
def _explained(layout: Layout) -> Iterator[None]:
    """Say what to do when the system refuses the folder or a file in it. Raises: CannotUseFolder, DiskFull."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise DiskFull(f"The disk that holds {layout.data} is full.", remedy="Make room, then start again.") from error
        raise CannotUseFolder(
            f"cannot use the data folder {layout.data}: {error.strerror} ({error.filename})",
            remedy="Give a folder that this user may write as --data-dir or PUSHD_DATA_DIR.",
        ) from error
