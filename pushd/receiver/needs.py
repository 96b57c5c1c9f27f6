"""What the receiver needs of others; `daemon.py` passes the objects in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol
from uuid import UUID

from pushd.access.actions import Action
from pushd.kit.transcript import Transcript
from pushd.model.app import App
from pushd.model.app_settings import AppSettings
from pushd.model.release import Release
from pushd.model.source import Source
from pushd.model.user import User


class Deploys(Protocol):
    """The story that follows a push."""

    async def push(
        self, app: App, source: Source, *, user: User, branch: str, no_cache: bool, transcript: Transcript
    ) -> Release:
        """Wait for the app's turn, build, release, boot, switch. Raises: PushdError with the reason."""


class Apps(Protocol):
    """Where apps are found."""

    async def find(self, name_or_id: str | UUID) -> App:
        """Raises: NotFound."""

    async def set_sizes(self, app: App, *, repo_size_bytes: int | None = None) -> object:
        """Keep what the repository takes on disk."""


class SettingsOfApps(Protocol):
    """Where the settings of an app are found."""

    async def of(self, app: App) -> AppSettings: ...


class Audit(Protocol):
    """Where it is kept who did what."""

    async def begin(self, user: User, *, action: str, source: str, app: App | None = None) -> int:
        """Raises: DiskFull."""

    async def end(self, seq: int, outcome: str, details: Mapping[str, Any]) -> None:
        """Raises: DiskFull."""


class Connections(Protocol):
    """Where the connections of the API port are counted, which are git's too."""

    def belongs_to(self, transport: asyncio.BaseTransport | None, user_id: UUID) -> None:
        """Somebody asked on it in the name of this user just now."""


class Users(Protocol):
    """Where the operator is found."""

    async def operator(self) -> User: ...


class Standing(Protocol):
    """Who may stay."""

    def watch(self, user: User, action: Action, app_id: UUID) -> AbstractContextManager[asyncio.Event]:
        """An event that comes when they may no longer do that."""


class Access(Protocol):
    """Who may do what."""

    async def authenticate(self, secret: str | None, *, source: str) -> User | None:
        """Whose token this is; a wrong one takes a while, the longer the more often the source comes with one."""

    async def again(self, user: User) -> User | None:
        """The same user as they are now; None if they, or the token that they came with, are gone."""

    def check(self, user: User | None, action: Action, app: App | None) -> None:
        """Raises: Unauthorized, Forbidden, NotFound."""
