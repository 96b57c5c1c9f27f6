"""The common end of every story: release phase, boot, switch, retire; and what keeps trying when that failed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

from pushd.errors import NotFound, PushdError
from pushd.kit.crash import crash_point
from pushd.model.app import App
from pushd.model.dyno import Dyno
from pushd.model.launch import Launch
from pushd.model.logline import APP
from pushd.model.release import MOVES, Release, ReleaseEvent, ReleaseStatus, current_release, stand_in_release
from pushd.releaser.releaser import Releaser
from pushd.store.store import Store
from pushd.story.rooms import AppLog, Phase, Router, Runner, Say
from pushd.story.turns import BootTurns
from pushd.story.verdicts import Verdicts

log = logging.getLogger(__name__)


class GoLive:
    """Moves traffic, or leaves it where it was; each call but `bring_live` takes the app's turn itself."""

    def __init__(
        self,
        *,
        store: Store,
        releaser: Releaser,
        phase: Phase,
        runner: Runner,
        router: Router,
        app_log: AppLog,
        turns: BootTurns,
        verdicts: Verdicts,
    ) -> None:
        self._store = store
        self._releaser = releaser
        self._phase = phase
        self._runner = runner
        self._router = router
        self._log = app_log
        self._verdicts = verdicts
        self.turns = turns

    async def bring_live(
        self, app: App, release: Release, *, say: Say | None = None, tell: Callable[[bytes], None] | None = None
    ) -> Release:
        """Run a pending release's phase, boot it and switch to it; the caller holds the app's turn.

        Raises: what went wrong; the release is then `failed` and the old one serves on.
        """
        launch = await self._releaser.launch_of(app, release)
        try:
            if not release.phase_passed:
                (say or _silent)("-----> Running the release command...")
                await self._phase.run(launch, tell)
            old = await self._move_traffic(launch, say or _silent)
        except asyncio.CancelledError:
            raise  # the daemon stops: the next one settles what is pending
        except BaseException as error:
            crash_point("release.failing")
            await self._settle(app, release, ReleaseEvent.DID_NOT_COME_UP)
            crash_point("release.failed")
            reason = str(error).splitlines()[0] if str(error) else "internal error"
            self._tell(app, f"Release {release.name} failed: {reason}")
            await self._keep_stand_in(app)
            raise
        try:  # the old dynos go once it is stored that they are not needed: a daemon that ends before that leaves them
            live = await self._settle(app, release, ReleaseEvent.WENT_LIVE)
        except Exception:
            self._retire(launch, old)  # visitors get the new ones all the same
            raise
        crash_point("release.settled")
        self._retire(launch, old)
        crash_point("release.retiring")
        await self.show_pages(app)
        return live

    async def boot_again(self, app_id: UUID, *, why: str, names: Sequence[str] | None = None) -> Release:
        """Boot what formation and epoch now ask of the release that runs, or replace the dynos named."""
        async with self.turns.hold(app_id, why=why):
            app = await self._store.apps.find(str(app_id))
            release = await self.running_release(app)
            if release is None:
                raise NotFound("Nothing is deployed yet.", resource="release", remedy="Push first.")
            launch = await self._releaser.launch_of(app, release)
            if release.status is not ReleaseStatus.SUCCEEDED:
                self._runner.keep_trying(launch, self._rise_late)
            elif names is not None:
                await self._runner.restart(launch, names)
            else:
                self._retire(launch, await self._move_traffic(launch, _silent))
            return release

    async def resume(self, app: App) -> asyncio.Future[Release] | None:
        """Boot what should run after a start of the daemon and does not; each dyno takes traffic as soon as it is ready.

        Web dynos that an earlier daemon was about to replace serve until their successors are ready.
        Gives what is done once all web dynos are ready; None if there is nothing to boot.
        """
        async with self.turns.hold(app.id, why="the daemon's start"):
            release = await self.running_release(app)
            if release is None or release.status is ReleaseStatus.PENDING:
                return None
            up: asyncio.Future[Release] = asyncio.get_running_loop().create_future()
            succeeded = release.status is ReleaseStatus.SUCCEEDED

            async def on_ready(launch: Launch) -> None:
                if not succeeded:
                    await self._rise_late(launch)
                if not up.done():
                    up.set_result(launch.release)

            launch = await self._releaser.launch_of(app, release)
            if succeeded and self._runner.serves_older(launch):
                await self._replace(launch, up)
                return up
            self._runner.keep_trying(launch, on_ready)
            if succeeded:
                self._runner.replace_rest_soon(launch)
            return up

    async def _replace(self, launch: Launch, up: asyncio.Future[Release]) -> None:
        """Finish what a predecessor had begun; if that fails the older dynos serve on, as ever."""
        try:
            self._retire(launch, await self._move_traffic(launch, _silent))
        except Exception as error:
            up.set_exception(error)
            up.exception()  # whoever waits for it hears of it; if nobody does, the app's log has told it
            log.warning("older dynos serve on", extra={"app": launch.app.name, "cause": str(error)})
            self._runner.replace_rest_soon(launch)
        else:
            up.set_result(launch.release)

    async def launch(self, app: App) -> Launch | None:
        """What should run of this app after a start of the daemon; None if that is nothing, or is still to be taken live."""
        release = await self.running_release(app)
        if release is None or release.status is ReleaseStatus.PENDING:
            return None
        return await self._releaser.launch_of(app, release)

    async def launch_of(self, app_id: UUID, release_id: UUID) -> Launch | None:
        """What it takes to run a release; None if the app, the release or its slug is gone."""
        try:
            app = await self._store.apps.find(str(app_id))
            return await self._releaser.launch_of(app, await self._store.releases.find(app, str(release_id)))
        except NotFound:
            return None

    async def show_pages(self, app: App) -> None:
        """Let visitors get the pages that the newest config vars and the slug that runs ask for."""
        try:
            await self._router.refresh(app.id)
        except PushdError as error:  # traffic has moved: nothing is undone for a page
            log.warning("pages not shown yet", extra={"app": app.name, "cause": error.message})

    async def running_release(self, app: App) -> Release | None:
        """The release whose dynos should run: the current one with a slug, else the stand-in, if any."""
        releases = await self._store.releases.list(app)
        return current_release([each for each in releases if each.slug_id]) or stand_in_release(releases)

    async def _settle(self, app: App, release: Release, event: ReleaseEvent) -> Release:
        """Store what has happened to a release; gives it as it is then."""

        async def write() -> Release:
            moved = await self._store.releases.move(release, event)
            if moved.status is ReleaseStatus.SUCCEEDED:
                crash_point("release.moved")
                await self._store.apps.set_released(app)
            return moved

        stored = await self._verdicts.store(write, what=f"{release.name} of {app.name}")
        return stored or replace(release, status=MOVES[release.status, event])

    async def _move_traffic(self, launch: Launch, say: Say) -> Sequence[Dyno]:
        """Gives the web dynos that have no traffic any more, for `_retire`."""
        booted = await self._runner.boot_web(launch, say)
        crash_point("release.booted")
        old = await self._runner.switch(launch, booted)
        crash_point("release.switched")
        return old

    def _retire(self, launch: Launch, old: Sequence[Dyno]) -> None:
        self._runner.replace_rest_soon(launch)
        self._runner.retire_soon(old)  # drains outside the turn: the next push need not wait

    async def _keep_stand_in(self, app: App) -> None:
        """While no release with a slug has succeeded, the newest that could keeps trying: `stand_in_release`."""
        release = stand_in_release(await self._store.releases.list(app))
        if release is not None and release.status is not ReleaseStatus.PENDING:
            self._runner.keep_trying(await self._releaser.launch_of(app, release), self._rise_late)

    async def _rise_late(self, launch: Launch) -> None:
        """A stand-in's dynos are ready after all: its release succeeded."""
        await self._settle(launch.app, launch.release, ReleaseEvent.ROSE_LATE)
        self._tell(launch.app, f"Release {launch.release.name} is live after all")
        self._runner.replace_rest_soon(launch)
        await self.show_pages(launch.app)

    def _tell(self, app: App, message: str) -> None:
        self._log.say(app.id, APP, "api", message)


def _silent(text: str) -> None:
    """Nobody listens to this boot: its failure is told through the change."""
