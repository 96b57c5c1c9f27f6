"""What is kept of an app's past: slugs to roll back to, environments they need, builds and releases with their output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pushd.kit.crash import crash_point
from pushd.model.app import App
from pushd.model.release import Release
from pushd.model.slug import Slug
from pushd.store.store import Store
from pushd.story.apart import apart
from pushd.story.golive import GoLive
from pushd.story.outputs import Outputs
from pushd.story.rooms import Builder

ALWAYS_KEPT = 2  # slugs: what runs, and what one goes back to


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How much of each app stays, by the daemon's settings."""

    slugs: int
    slugs_bytes: int  # with their environments
    builds: int
    releases: int
    outputs_bytes: int


class Retention:
    """Forgets what is older than the settings say, and never what a kept release needs."""

    def __init__(self, *, store: Store, builder: Builder, outputs: Outputs, live: GoLive, kept: Kept) -> None:
        self._store = store
        self._builder = builder
        self._outputs = outputs
        self._live = live
        self._kept = kept

    async def forget_old(self, app: App) -> None:
        """Drop slugs, environments, releases, builds and what they printed; safe to be killed in and to run again."""
        releases = await self._store.releases.list(app)  # one made after this moment is not looked at: its slug may be new too
        slugs = await self._slugs(app, releases)
        await self._builder.prune(
            app,
            keep_checksums={each.checksum for each in slugs},
            keep_environments={each.environment for each in slugs},
        )
        forgotten = await self._store.builds.prune(app, self._kept.builds)
        if forgotten:
            crash_point("retention.builds-forgotten")
        await self._outputs.drop_builds(app.id, forgotten)
        await self.forget_releases(app)
        told = [each for each in releases if each.has_output]  # newest first
        kept = {each.id for each in slugs}
        old = {each.id for each in told[self._kept.builds :]} | {each.id for each in told if each.slug_id not in kept}
        await self._outputs.drop_releases(app.id, old)
        await self._outputs.trim(app.id, self._kept.outputs_bytes)

    async def sweep(self) -> None:
        """At the daemon's start: drop the output of builds and releases that were forgotten when the last one was killed."""
        for app in await self._store.apps.all():
            with apart(app, "sweep what its builds printed"):
                builds = {each.id for each in await self._store.builds.list(app)}
                releases = {each.id for each in await self._store.releases.list(app)}
                await self._outputs.drop_others(app.id, builds | releases)

    async def forget_releases(self, app: App) -> None:
        """Drop old releases with their copies of the config vars and what their release phases printed."""
        await self._outputs.drop_releases(app.id, set(await self._store.releases.prune(app, self._kept.releases)))

    async def _slugs(self, app: App, releases: Sequence[Release]) -> list[Slug]:
        """Those that stay: of the newest as many as there is room for, and the one that runs."""
        running = await self._live.running_release(app)
        by_id = {each.id: each for each in await self._store.slugs.list(app)}
        newest = [by_id[id_] for id_ in dict.fromkeys(each.slug_id for each in releases) if id_ in by_id]
        kept = plan_slugs(
            newest,
            count=self._kept.slugs,
            limit_bytes=self._kept.slugs_bytes,
            environment_bytes=await self._builder.environment_bytes(app),
        )
        runs = running and running.slug_id
        return [*kept, *(each for each in newest if each.id == runs and each not in kept)]


def plan_slugs(
    newest_first: Sequence[Slug], *, count: int, limit_bytes: int, environment_bytes: Mapping[str, int]
) -> list[Slug]:
    """The newest `count`, or fewer if they take more than the limit; an environment that several need counts once."""
    kept: list[Slug] = []
    total_bytes, environments = 0, {""}
    for slug in newest_first[:count]:
        total_bytes += slug.size_bytes
        if slug.environment not in environments:
            total_bytes += environment_bytes.get(slug.environment, 0)
        if total_bytes > limit_bytes and len(kept) >= ALWAYS_KEPT:
            break
        environments.add(slug.environment)
        kept.append(slug)
    return kept
