"""What the builder needs of others, as Protocols; the daemon passes the objects in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from pushd.model.app import App
from pushd.model.slug import Slug


class Slugs(Protocol):
    """What we need of the store."""

    async def create(self, slug: Slug) -> Slug: ...

    async def fill(self, slug: Slug) -> Slug:
        """Raises: NotFound, Conflict."""

    async def list(self, app: App) -> Sequence[Slug]: ...

    async def delete(self, slug: Slug) -> None:
        """Raises: Conflict when a release that runs, or is about to, needs it."""

    async def checksums_in_use(self) -> Collection[str]:
        """Of all apps."""

    async def environments_in_use(self, app_id: UUID) -> Collection[str]:
        """Names of the environments that slugs of this app need."""

    async def is_kept(self, slug: Slug) -> bool:
        """Whether its record is still there."""


class Uids(Protocol):
    """What we need to know of users."""

    async def uid_of(self, app_id: UUID) -> int | None:
        """Whom builds of the app run as; 0 if it has no user although we are root; None if we are not."""


class Room(Protocol):
    """What we need to know of the disk."""

    def guarded(self) -> AbstractAsyncContextManager[None]:
        """The block ends with DiskFull when too little room is left."""
