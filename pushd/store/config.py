"""The newest config vars of an app: those of its newest release, whether or not it came up."""

from __future__ import annotations

from pushd.model.app import App
from pushd.model.secret import Environ
from pushd.store.releases import Releases


class Config:
    """They are changed by making a release: `releases.create(config=...)`."""

    def __init__(self, releases: Releases) -> None:
        self._releases = releases

    async def of(self, app: App) -> Environ:
        """Sorted by name. Raises: NotFound when the app is gone, WrongKey."""
        return await self._releases.newest_config_vars(app)
