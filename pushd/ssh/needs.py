"""What SSH needs of others; `daemon.py` passes the objects in."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from pushd.model.user import User
from pushd.ssh.channel import Channel


class Keys(Protocol):
    """Who holds which key."""

    async def maybe_user(self, public_data: bytes) -> User | None:
        """Whose public key this is, asked anew each time: it may have been removed meanwhile."""

    def lend(self, public_data: bytes, source: str) -> AbstractContextManager[str]:
        """A token for whoever holds this key and came from that address, as long as the block lasts."""

    async def by_token(self, token: str) -> User | None:
        """Whose that is, and known by it: whoever asks about this user later learns that the session is over."""


class Git(Protocol):
    """Git's two services."""

    async def __call__(self, user: User, service: str, app: str, channel: Channel) -> int:
        """Serve one of them to its end; gives the exit status. Raises: ConnectionError when the client is gone."""
