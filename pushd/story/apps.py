"""Making, renaming, closing and destroying apps: what concerns the app as a whole, across all rooms."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress
from uuid import UUID

from pushd.kit.aio import Nursery, in_thread
from pushd.kit.crash import crash_point
from pushd.kit.remove import remove_tree
from pushd.layout import Layout
from pushd.model.app import App, invent_app_name, parse_app_name
from pushd.model.app_settings import check_setting
from pushd.model.logline import APP
from pushd.model.routing import WebState
from pushd.model.user import User
from pushd.store.store import Store
from pushd.story.apart import apart
from pushd.story.disk import DiskReserve
from pushd.story.rooms import AppLog, Builder, Repositories, Router, Runner
from pushd.story.stops import BuildStops
from pushd.story.turns import BootTurns


class Apps:
    """One per daemon. Every change is stored first and then followed by the rooms it concerns."""

    def __init__(
        self,
        *,
        store: Store,
        layout: Layout,
        runner: Runner,
        router: Router,
        builder: Builder,
        repositories: Repositories,
        app_log: AppLog,
        turns: BootTurns,
        stops: BuildStops,
        disk: DiskReserve,
        nursery: Nursery,
        apps_per_user: int = 0,
    ) -> None:
        """`apps_per_user`: how many one who is no admin may own; 0: any number."""
        self._store = store
        self._layout = layout
        self._runner = runner
        self._router = router
        self._builder = builder
        self._repositories = repositories
        self._log = app_log
        self._turns = turns
        self._stops = stops
        self._disk = disk
        self._nursery = nursery
        self._apps_per_user = apps_per_user
        self._chance = random.SystemRandom()

    async def create(self, name: str | None, user: User) -> App:
        """A new app with its v1, answering H81 until the first push.

        Raises: InvalidParams for a bad or taken name; Conflict when the user has as many as one may have.
        """
        self._disk.check()
        wanted = parse_app_name(name) if name else invent_app_name(self._chance)
        app = await self._store.apps.create(wanted, user, at_most=0 if user.is_admin else self._apps_per_user)
        crash_point("create.stored")
        await self._router.announce({app.id: ((), WebState.BLANK)})
        self._log.say(app.id, APP, "api", f"Initial release by user {user.email}")
        self._log.say(app.id, APP, "api", f"Release v1 created by user {user.email}")
        return app

    async def rename(self, app: App, name: str, user: User) -> App:
        """The same app under another name and host; its folders stay. Raises: InvalidParams."""
        renamed = await self._store.apps.rename(app, parse_app_name(name))
        crash_point("rename.stored")
        await self._router.refresh(app.id)
        self._log.say(app.id, APP, "api", f"Renamed from {app.name} to {name} by user {user.email}")
        return renamed

    async def set_maintenance(self, app: App, on: bool, user: User) -> App:
        """Show or remove the maintenance page; returns once visitors see it."""
        changed = await self._store.apps.set_maintenance(app, on)
        crash_point("maintenance.stored")
        await self._router.refresh(app.id)
        self._log.say(app.id, APP, "api", f"Maintenance mode {'on' if on else 'off'} by user {user.email}")
        return changed

    async def set_settings(self, app: App, changes: Mapping[str, str | None], user: User) -> None:
        """Set (or, with None, unset) settings of the app. Raises: NotFound or InvalidParams; nothing is changed then."""
        for name, text in changes.items():
            check_setting(name, text)
        await self._store.settings.set(app, changes)
        crash_point("settings.stored")
        await self._limit_log(app)
        await self._router.refresh(app.id)
        self._log.say(app.id, APP, "api", f"Set settings {', '.join(sorted(changes))} by user {user.email}")

    async def destroy(self, app: App) -> None:
        """Remove the app. Its row goes first, so that a daemon killed half-way boots nothing of it again."""
        await self._store.apps.delete(app)
        crash_point("destroy.stored")
        try:
            await self._router.forget(app.id)
            crash_point("destroy.forgotten")
        finally:
            self._nursery.start(self._clear(app.id), name=f"clear {app.name}")

    async def limit_logs(self) -> None:
        """At the start, before any log is written: bound each as its app's settings say."""
        for app in await self._store.apps.all():
            with apart(app, "bound its log"):
                await self._limit_log(app)

    async def _limit_log(self, app: App) -> None:
        settings = await self._store.settings.of(app)
        lines_per_second = settings["log-lines-per-second"] or None
        self._log.set_limit(app.id, settings["log-limit-mb"] << 20, lines_per_second=lines_per_second)

    async def sweep(self) -> None:
        """Finish what a killed daemon left of destroyed apps: folders that no app has."""
        known = {str(app.id) for app in await self._store.apps.all()}
        left = await in_thread(self._layout.app_ids) | {str(app_id) for app_id in await self._store.uids.app_ids()}
        for app_id in map(UUID, left - known):
            with apart(app_id, "remove what a destroyed app left"):
                await self._remove_folders(app_id)

    async def _clear(self, app_id: UUID) -> None:
        await self._stops.stop_all(app_id)
        async with self._turns.hold(app_id, why="destroying the app"):
            await self._runner.stop_app(app_id)
            crash_point("destroy.stopped")
            await self._log.destroy(app_id)
            crash_point("destroy.unlogged")
            await self._remove_folders(app_id)

    async def _remove_folders(self, app_id: UUID) -> None:
        await self._repositories.destroy(app_id)
        crash_point("destroy.half-removed")
        await self._builder.destroy(app_id)
        for folder in self._layout.folders_of(app_id):
            with suppress(OSError):  # what is left is tried again
                await in_thread(remove_tree, folder)
        if not any([await in_thread(folder.exists) for folder in self._layout.folders_of(app_id)]):
            crash_point("destroy.removed")
            await self._store.uids.forget(app_id)  # from now on another app may have it
