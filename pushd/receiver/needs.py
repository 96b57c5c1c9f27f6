"""What the receiver needs of others; `daemon.py` passes the objects in."""

from __future__ import annotations

from typing import Protocol

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

    async def find(self, name_or_id: str) -> App:
        """Raises: NotFound."""

    async def set_sizes(self, app: App, *, repo_size_bytes: int | None = None) -> object:
        """Keep what the repository takes on disk."""


class SettingsOfApps(Protocol):
    """Where the settings of an app are found."""

    async def of(self, app: App) -> AppSettings: ...


class Users(Protocol):
    """Where the operator is found."""

    async def operator(self) -> User: ...


class Access(Protocol):
    """Who may do what."""

    async def authenticate(self, token: str | None) -> User | None: ...

    def check(self, user: User | None, action: Action, app: App | None) -> None:
        """Raises: Forbidden, NotFound."""
