"""A commit that was pushed, as whoever builds it sees it; the receiver makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Source(Protocol):
    """A commit that was pushed."""

    @property
    def commit(self) -> str:
        """40 hex digits."""

    @property
    def description(self) -> str:
        """First line of the commit's message."""

    async def checkout(self, folder: Path) -> None:
        """Write the commit's tree into an empty folder. Raises: PushdError for a tree that cannot be written."""
