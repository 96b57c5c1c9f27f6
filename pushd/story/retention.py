"""What is kept of an app's past: slugs to roll back to, environments they need, builds and releases with their output."""

from __future__ import annotations

from pushd.model.app import App
from pushd.store.store import Store
from pushd.story.golive import GoLive
from pushd.story.outputs import Outputs
from pushd.story.rooms import Builder


class Retention:
    """Forgets what is older than the settings say, and never what a kept release needs."""

    def __init__(
        self, *, store: Store, builder: Builder, outputs: Outputs, live: GoLive, slugs_kept: int, builds_kept: int
    ) -> None:
        self._store = store
        self._builder = builder
        self._outputs = outputs
        self._live = live
        self._slugs_kept = slugs_kept
        self._builds_kept = builds_kept

    async def forget_old(self, app: App) -> None:
        """Drop slugs, environments, builds and what release phases printed; safe to be killed in and to run again."""
        releases = await self._store.releases.list(app)
        running = await self._live.running_release(app)
        newest = list(dict.fromkeys(each.slug_id for each in releases if each.slug_id))[: self._slugs_kept]
        kept = {*newest, running.slug_id if running else None}
        slugs = await self._store.slugs.list(app)
        needed = [each for each in slugs if each.id in kept]
        await self._builder.prune(
            app,
            keep_checksums={each.checksum for each in needed},
            keep_environments={each.environment for each in needed},
        )
        await self._outputs.drop_builds(app.id, await self._store.builds.prune(app, self._builds_kept))
        told = [each for each in releases if each.has_output]  # newest first
        old = {each.id for each in told[self._builds_kept :]} | {each.id for each in told if each.slug_id not in kept}
        await self._outputs.drop_releases(app.id, old)
