"""What is asked of the dynos of the release that runs: how many, of which size, that they start anew or stop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

from pushd.errors import InvalidParams, NotFound, PushdError
from pushd.kit.aio import Nursery
from pushd.kit.crash import crash_point
from pushd.kit.proc import machine_memory_bytes
from pushd.model.app import App
from pushd.model.change import Change
from pushd.model.dyno import Dyno
from pushd.model.formation import RELEASE, RUN, ProcessFormation, Scale, check_known
from pushd.model.logline import APP
from pushd.model.resources import BUILD, DEFAULT_SIZE, DynoSize, check_figure, spare_bytes
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

    async def scale(
        self, app: App, scales: Sequence[Scale], user: User, sizes: Mapping[str, DynoSize] = MappingProxyType({})
    ) -> tuple[list[ProcessFormation], Change | None]:
        """Store the wanted quantities, and sizes of process types, and follow them; another size replaces all dynos.

        Less is always allowed: it may be this very app that fills the disk.
        Raises: NotFound for an unknown type, InvalidParams, DiskFull; nothing is changed then.
        """
        for size in sizes.values():
            check_fits(size.memory_mb)
        async with self._scaling:
            current = await self._store.formation.quantities(app)
            wanted = await self._scaled(app, scales, current)
            await self._check_types(app, sizes)
            if any(quantity > current.get(kind, 0) for kind, quantity in wanted.items()):
                self._disk.check()
            await self._store.formation.set(app, wanted, {kind: size.name for kind, size in sizes.items()})
        crash_point("scale.stored")
        rows = await self._store.formation.of(app)
        shown = " ".join(f"{row.type}@{row.quantity}:{row.size}" for row in rows if row.type in {*wanted, *sizes})
        self._tell(app, f"Scaled to {shown} by user {user.email}")
        return rows, await self._reboot(app, why=f"scaling to {shown}")

    async def set_resources(self, app: App, type: str, changes: Mapping[str, str | None], user: User) -> Change | None:
        """Set (or, with None, unset) what dynos of a process type, or builds, may take; a change replaces all dynos.

        Raises: NotFound, InvalidParams; nothing is changed then.
        """
        for name, text in changes.items():
            check_figure(type, name, text)
        await self._check_types(app, {type} - {BUILD, RUN, RELEASE})
        if changes.get("memory") is not None:
            wanted = (await self._store.resources.of(app)).changed(type, changes)
            check_fits((wanted.of_build() if type == BUILD else wanted.of_dyno(type)).memory_mb)
        follows = await self._store.resources.set(app, type, changes)
        crash_point("resources.stored")
        self._tell(app, f"Set {', '.join(sorted(changes))} of {type} by user {user.email}")
        return await self._reboot(app, why=f"new limits of {type}") if follows else None

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
        await self._check_types(app, [scale.type for scale in scales])
        wanted: dict[str, int] = {}
        for scale in scales:
            wanted[scale.type] = scale.applied_to(wanted.get(scale.type, current.get(scale.type, 0)))
        return wanted

    async def _check_types(self, app: App, wanted: Iterable[str]) -> None:
        """Raises: NotFound for one that the newest slug does not declare."""
        newest = await self._store.releases.maybe_newest_built(app)
        for kind in wanted:
            check_known(kind, newest.process_types if newest else {})

    def _tell(self, app: App, message: str) -> None:
        self._log.say(app.id, APP, "api", message)


def check_fits(memory_mb: int) -> None:
    """Raises: InvalidParams for more than the machine can spare: it would be ended below. The default always fits."""
    most = max(spare_bytes(machine_memory_bytes()) >> 20, DEFAULT_SIZE.memory_mb)
    if memory_mb > most:
        raise InvalidParams(
            f"{memory_mb} MB of memory are more than the {most} MB of this server that one dyno or build can have.",
            remedy="Take less.",
        )
