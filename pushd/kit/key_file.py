"""A key in a file of its own: 32 random bytes as one line of URL-safe base64, and how another one comes in its place."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from pushd.kit.atomic import write_atomically

KEY_BYTES = 32  # AES-256


def make_key(path: Path) -> None:
    """A new one, on disk when this returns, for its owner only. Raises: OSError."""
    write_atomically(path, base64.urlsafe_b64encode(os.urandom(KEY_BYTES)) + b"\n", mode=0o600)


def next_key(path: Path) -> Path:
    """Where the key waits that is to come in the place of the one at `path`."""
    return path.with_name(f"{path.name}.new")


def make_next_key(path: Path) -> bool:
    """Let a new one wait; False if one does already: it may be in use, and its writer was killed before it was renamed."""
    if next_key(path).exists():
        return False
    make_key(next_key(path))
    return True
