"""After the machine went down: are the files still there that the apps' releases need?"""

from __future__ import annotations

import logging
from typing import Protocol

from pushd.model.app import App
from pushd.model.logline import APP
from pushd.model.slug import Slug
from pushd.store.store import Store
from pushd.story.apart import apart
from pushd.story.golive import GoLive
from pushd.story.rooms import AppLog

log = logging.getLogger(__name__)

_BOOT = "checked_in_boot"  # in the store's meta: the boot of the machine whose start was looked at last
_REMEDY = "Push its commit again: git commit --allow-empty -m again && git push"


class Shelf(Protocol):
    """What we need of who keeps slugs."""

    async def fault(self, slug: Slug, *, thoroughly: bool) -> str:
        """What is wrong with its files; "" if nothing is."""


class Soundness:
    """Tells of what is missing or damaged, in the daemon's log and in the app's. It mends nothing: the next push does."""

    def __init__(self, *, store: Store, live: GoLive, shelf: Shelf, app_log: AppLog) -> None:
        self._store = store
        self._live = live
        self._shelf = shelf
        self._log = app_log

    async def check(self, boot_id: str) -> None:
        """Look at every slug that is kept; what runs is read through if the machine was started anew since the last time."""
        thoroughly = await self._store.meta.get(_BOOT) != boot_id
        for app in await self._store.apps.all():
            with apart(app, "look at its slugs"):
                await self._check(app, thoroughly=thoroughly)
        if thoroughly:
            await self._store.meta.set(_BOOT, boot_id)

    async def _check(self, app: App, *, thoroughly: bool) -> None:
        running = await self._live.running_release(app)
        for slug in await self._store.slugs.list(app):
            runs = running is not None and running.slug_id == slug.id
            fault = await self._shelf.fault(slug, thoroughly=thoroughly and runs)
            if fault and await self._store.slugs.is_kept(slug):  # else it was forgotten while we looked
                self._tell(app, slug, fault, runs=runs)

    def _tell(self, app: App, slug: Slug, fault: str, *, runs: bool) -> None:
        which = "The slug that runs" if runs else f"Slug {slug.id}"
        log.error("slug damaged", extra={"app": app.name, "slug": slug.id, "runs": runs, "why": fault, "remedy": _REMEDY})
        self._log.say(app.id, APP, "api", f"{which} is damaged: {fault}. {_REMEDY}")
