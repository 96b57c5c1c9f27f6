"""The key by which clients know this server again: made once, kept in the data folder."""

from __future__ import annotations

from pathlib import Path

import asyncssh

from pushd.errors import PushdError
from pushd.kit.atomic import write_atomically

HostKey = asyncssh.SSHKey
_KIND = "ssh-ed25519"  # every client of the last ten years has it


class BadHostKey(PushdError):
    """The file is there and cannot be used; `serve` ends."""

    id, status = "bad_host_key", 500


def public_line(key: HostKey) -> str:
    """The line that stands in a known_hosts file behind the host: "ssh-ed25519 AAAA... pushd"."""
    return key.export_public_key().decode().strip()


def maybe_host_key(file: Path) -> HostKey | None:
    """The key in `file`, None if there is no such file. Blocks. Raises: BadHostKey."""
    return open_host_key(file) if file.exists() else None


def open_host_key(file: Path) -> HostKey:
    """The key in `file`; one is made if there is none. Blocks. Raises: BadHostKey, OSError when it cannot be written."""
    try:
        return asyncssh.import_private_key(file.read_bytes())
    except FileNotFoundError:
        key = asyncssh.generate_private_key(_KIND, comment="pushd")
        write_atomically(file, key.export_private_key(), mode=0o600)
        return key
    except (OSError, ValueError, asyncssh.KeyImportError) as error:
        raise BadHostKey(
            f"cannot use the SSH host key {file}: {error}",
            remedy="Restore it from a backup. Or remove it: another one is made, and every client warns that it changed.",
        ) from error
