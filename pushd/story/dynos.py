"""What is asked of the dynos of the release that runs: how many, of which size, that they start anew or stop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

from pushd.errors import NotFound, PushdError
from pushd.kit.aio import Nursery
from pushd.kit.crash import crash_point
from pushd.model.app import App
from pushd.model.change import Change
from pushd.model.dyno import Dyno
from pushd.model.formation import RUN, ProcessFormation, Scale, check_known
from pushd.model.logline import APP
from pushd.model.user import User
from pushd.store.store import Store
from pushd.story.changes import Changes
from pushd.story.disk import DiskReserve
from pushd.story.golive import GoLive
from pushd.story.rooms import AppLog, Runner


class Dynos:
    """Stores what is wanted, then boots it; a change tells how that went."""

    def __init__(
        self,
        *,
        store: Store,
        live: GoLive,
        changes: Changes,
        runner: Runner,
        app_log: AppLog,
        disk: DiskReserve,
        nursery: Nursery,
    ) -> None:
        self._store = store
        self._live = live
        self._changes = changes
        self._runner = runner
        self._log = app_log
        self._disk = disk
        self._nursery = nursery
        self._scaling = asyncio.Lock()  # steps such as web+1 are counted from what is stored

    def of(self, app: App) -> list[Dyno]:
        """Everything of the app that runs now."""
        return self._runner.dynos(app.id)

    async def scale(self, app: App, scales: Sequence[Scale], user: User) -> tuple[list[ProcessFormation], Change | None]:
        """Store the wanted quantities and follow them. Raises: NotFound for an unknown type, InvalidParams, DiskFull.

        Less is always allowed: it may be this very app that fills the disk.
        """
        async with self._scaling:
            current = await self._store.formation.quantities(app)
            wanted = await self._scaled(app, scales, current)
            if any(quantity > current.get(kind, 0) for kind, quantity in wanted.items()):
                self._disk.check()
            await self._store.formation.set(app, wanted)
        crash_point("scale.stored")
        rows = await self._store.formation.of(app)
        shown = " ".join(f"{row.type}@{row.quantity}:{row.size}" for row in rows if row.type in wanted)
        self._tell(app, f"Scaled to {shown} by user {user.email}")
        return rows, await self._reboot(app, why=f"scaling to {shown}")

    async def restart(self, app: App, *, user: User, type: str | None = None, name: str | None = None) -> Change | None:
        """Replace all dynos, those of one type, or one; new web dynos answer before old ones leave."""
        if type is None and name is None:
            app = await self._store.apps.bump_restarts(app)
            crash_point("restart.stored")
            self._tell(app, f"Restarted by user {user.email}")
            return await self._reboot(app, why="a restart")
        names = [dyno.name for dyno in self._runner.dynos(app.id) if name in (None, dyno.name) and type in (None, dyno.type)]
        if not names:
            raise NotFound(f"Couldn't find that dyno ({name or type}).", resource="dyno",
                           remedy="`pushd ps` lists those that run.")  # fmt: skip
        self._tell(app, f"Restarted {', '.join(names)} by user {user.email}")
        return await self._reboot(app, why=f"a restart of {', '.join(names)}", names=names)

    async def stop(self, app: App, *, user: User, type: str | None = None, name: str | None = None) -> Change | None:
        """End a one-off dyno; a dyno of the formation is restarted, as on Heroku."""
        one_offs = [each for each in self._runner.dynos(app.id) if each.type == RUN and RUN in (each.type, type)]
        if name is not None and (found := [each for each in one_offs if each.name == name]):
            self._tell(app, f"Stopped {name} by user {user.email}")
            await self._runner.stop_dynos(app.id, [found[0].name])
            return None
        return await self.restart(app, user=user, type=type, name=name)

    async def _reboot(self, app: App, *, why: str, names: Sequence[str] | None = None) -> Change | None:
        """Boot what the formation and the epoch now ask of the release that runs; None if none does."""
        if await self._live.running_release(app) is None:
            return None
        change = await self._changes.open(app, None, names or ())
        crash_point("reboot.change-opened")
        self.follow_reboot(app, [change.id], why=why, names=names)
        return change

    def follow_reboot(self, app: App, change_ids: Sequence[UUID], *, why: str, names: Sequence[str] | None = None) -> None:
        """Do so in the background, or replace the dynos named, and settle the changes that wait for it."""
        booting = self._live.boot_again(app.id, why=why, names=names)
        self._changes.settle_by(change_ids, self._nursery.start(booting, name=f"{why} of {app.name}", expected=PushdError))

    async def _scaled(self, app: App, scales: Sequence[Scale], current: Mapping[str, int]) -> dict[str, int]:
        releases = await self._store.releases.list(app)
        types = next((each.process_types for each in releases if each.slug_id), {})
        wanted: dict[str, int] = {}
        for scale in scales:
            check_known(scale.type, types)
            wanted[scale.type] = scale.applied_to(wanted.get(scale.type, current.get(scale.type, 0)))
        return wanted

    def _tell(self, app: App, message: str) -> None:
        self._log.say(app.id, APP, "api", message)
