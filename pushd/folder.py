"""The data folder of a daemon: made, locked by one process, and its operator known."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from pushd.errors import PushdError
from pushd.kit.atomic import write_atomically
from pushd.layout import Layout
from pushd.store.store import Store
from pushd.store.users import new_token

_TOKEN = re.compile(r"[!-~]{16,}")  # ours, or one that the operator put there


class CannotUseFolder(PushdError):
    """The data folder, or a file in it, cannot be used."""

    id, status = "cannot_use_folder", 500


class AlreadyRunning(PushdError):
    """Another daemon holds this data folder."""

    id, status = "already_running", 500


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """The data folder is made and ours alone inside the block. Raises: CannotUseFolder, AlreadyRunning."""
    with _open_lock(layout) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"another daemon runs in {layout.data}",
                remedy="Stop it first, or give this one another --data-dir.",
            ) from None
        yield


async def make_operator(store: Store, layout: Layout, domain: str) -> None:
    """At the first start: the operator's account, and its token in a file that only this user may read."""
    if not layout.admin_token.exists():
        write_atomically(layout.admin_token, new_token().encode() + b"\n", mode=0o600)
    token = layout.admin_token.read_text("ascii", "replace").strip()
    if not _TOKEN.fullmatch(token):
        raise CannotUseFolder(
            f"{layout.admin_token} holds no token", remedy="Remove that file: this command makes a new one at its next start."
        )
    await store.users.create_operator(f"admin@{domain}", token)


def _open_lock(layout: Layout) -> TextIO:
    """The file that the daemon of this data folder locks; the folder is made if need be. Raises: CannotUseFolder."""
    try:
        layout.make()
        layout.daemon_lock.touch(0o600)
        layout.daemon_lock.chmod(0o600)  # who may read it may lock it
        return open(layout.daemon_lock, "w")
    except OSError as error:
        raise CannotUseFolder(
            f"cannot use the data folder {layout.data}: {error.strerror} ({error.filename})",
            remedy="Give a folder that this user may write as --data-dir or PUSHD_DATA_DIR.",
        ) from error
