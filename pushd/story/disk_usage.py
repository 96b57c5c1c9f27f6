"""What each app takes on the disk, by what it is kept for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pushd.kit.aio import in_thread
from pushd.kit.disk import Room
from pushd.kit.meter import Meter
from pushd.layout import Layout
from pushd.model.app import App
from pushd.store.store import Store
from pushd.story.disk import DiskReserve

KINDS = ("repository", "slugs", "environments", "caches", "outputs", "logs", "storage")


@dataclass(frozen=True, slots=True)
class AppUsage:
    """Bytes of one app, by kind."""

    app: App
    bytes_of: Mapping[str, int]

    @property
    def total_bytes(self) -> int:
        return sum(self.bytes_of.values())


@dataclass(frozen=True, slots=True)
class ServerUsage:
    """What the data folder takes; `total_bytes` counts a slug that several apps have once."""

    room: Room
    reserve_bytes: int
    store_bytes: int
    uploads_bytes: int
    total_bytes: int
    apps: Sequence[AppUsage]


class DiskUsage:
    """Looks through folders when it is asked; one look at a time, for it keeps the disk busy."""

    def __init__(self, *, store: Store, layout: Layout, disk: DiskReserve) -> None:
        self._store = store
        self._layout = layout
        self._disk = disk
        self._turn = asyncio.Lock()

    async def of_app(self, app: App) -> AppUsage:
        """What this app takes; a slug that other apps have too counts in full."""
        async with self._turn:
            return await self._measure(app)

    async def of_server(self) -> ServerUsage:
        """Everything, the apps by name."""
        async with self._turn:
            apps = [await self._measure(app) for app in await self._store.apps.all()]
            store_bytes = await in_thread(_sum, sorted(self._layout.data.glob(f"{self._layout.store.name}*")))
            return ServerUsage(
                room=self._disk.room(),
                reserve_bytes=self._disk.reserve_bytes,
                store_bytes=store_bytes,
                uploads_bytes=await in_thread(_sum, [self._layout.uploads]),
                total_bytes=await in_thread(_sum, [self._layout.data]),
                apps=apps,
            )

    async def _measure(self, app: App) -> AppUsage:
        slugs = {slug.checksum for slug in await self._store.slugs.list(app) if slug.checksum}
        return AppUsage(app, await in_thread(_bytes_by_kind, self._layout, app, slugs))


def _bytes_by_kind(layout: Layout, app: App, slugs: set[str]) -> Mapping[str, int]:
    environments = layout.environments(app.id)
    visible = sorted(environments.glob("[!.]*"))
    places = {
        "repository": [layout.repository(app.id)],
        "slugs": [layout.slug(checksum) for checksum in sorted(slugs)],
        "environments": visible,  # before the caches: what both share (hard links) stays when these are emptied
        "caches": [environments / ".cache", layout.cache(app.id), layout.buildpacks(app.id)],
        "outputs": [layout.outputs(app.id)],
        "logs": [layout.logs(app.id)],
        "storage": [layout.storage(app.id)],
    }
    meter = Meter()
    return {kind: sum(meter.add(path) for path in places[kind]) for kind in KINDS}


def _sum(paths: Sequence[Path]) -> int:
    meter = Meter()
    return sum(meter.add(path) for path in paths)
