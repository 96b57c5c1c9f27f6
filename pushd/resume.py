"""What a starting daemon finds and settles: nothing half done stays that way, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Container, Sequence
from uuid import UUID

from pushd.deploy import Deploys
from pushd.errors import NotFound
from pushd.kit.crash import crash_point
from pushd.kit.transcript import complaint
from pushd.model.app import App
from pushd.model.build import Build, BuildStatus
from pushd.model.change import Change
from pushd.model.launch import Launch
from pushd.model.logline import APP
from pushd.model.release import Release, ReleaseEvent, ReleaseStatus
from pushd.model.routing import Target, WebState
from pushd.model.source import short
from pushd.store.store import Store
from pushd.story.apart import apart
from pushd.story.changes import Changes
from pushd.story.dynos import Dynos
from pushd.story.golive import GoLive
from pushd.story.outputs import Outputs
from pushd.story.rooms import AppLog, Router, Runner
from pushd.story.verdicts import Verdicts

log = logging.getLogger(__name__)

STOPPED = "the server stopped during the build"


class Resume:
    """Runs once, at the start: `settle()`, `adopt()` and `announce()` before anything is served, then `boot_all()`."""

    def __init__(
        self,
        *,
        store: Store,
        deploys: Deploys,
        dynos: Dynos,
        live: GoLive,
        changes: Changes,
        verdicts: Verdicts,
        runner: Runner,
        router: Router,
        outputs: Outputs,
        app_log: AppLog,
    ) -> None:
        self._store = store
        self._deploys = deploys
        self._dynos = dynos
        self._live = live
        self._changes = changes
        self._verdicts = verdicts
        self._runner = runner
        self._router = router
        self._outputs = outputs
        self._log = app_log
        self._stored: dict[UUID, asyncio.Event] = {}  # app -> how its builds ended is stored

    async def settle(self) -> None:
        """Fail the builds that died with the daemon, and the releases they had made; but not what had gone live already.

        On a full disk that is stored once there is room.
        """
        for app in await self._store.apps.all():
            with apart(app, "settle its builds"):
                await self._settle_builds(app)

    async def _settle_builds(self, app: App) -> None:
        builds = await self._store.builds.unsettled(app)
        if not builds:
            return
        releases = await self._store.releases.list(app, newest_first=False)
        ends = [(build, _made_by(build, releases)) for build in builds]
        stored = self._stored[app.id] = asyncio.Event()

        async def write() -> None:
            for build, made in ends:
                await self._store_end(app, build, made)
            stored.set()

        await self._verdicts.store(write, what=f"the end of the builds of {app.name} that were cut short")

    async def _store_end(self, app: App, build: Build, made: Release | None) -> None:
        """May be done again after it was cut short."""
        made = await self._store.releases.find(app, str(made.id)) if made else None
        if made is not None and made.status is ReleaseStatus.SUCCEEDED:
            await self._store.builds.update(build, status=BuildStatus.SUCCEEDED)
            return
        if made is not None and made.status is ReleaseStatus.PENDING:
            await self._store.releases.move(made, ReleaseEvent.DID_NOT_COME_UP)
            crash_point("start.release-failed")
        if build.status is BuildStatus.PENDING:  # else it is stored why it failed
            await self._outputs.end_build(app.id, build.id, complaint(f"Failed: {STOPPED}. Push again."))
            await self._store.builds.update(build, status=BuildStatus.FAILED, reason=STOPPED)
            self._log.say(app.id, APP, "api", f"Build or deploy of {short(build.commit) or 'an archive'} failed: {STOPPED}")
            crash_point("start.build-failed")

    async def adopt(self) -> None:
        """Go on with the dynos that the last daemon left running; those that nobody owns any more are ended.

        Where an app has got another user, its files are that user's as soon as one dyno of it starts: so all are restarted,
        as `pushd restart` would.
        """
        running: dict[UUID, Launch] = {}
        outdated = await self._runner.outdated()
        for app in await self._store.apps.all():
            with apart(app, "tell what should run"):
                current = await self._store.apps.bump_restarts(app) if app.id in outdated else app
                launch = await self._live.launch(current)
                running |= {app.id: launch} if launch else {}
        await self._runner.adopt(running, self._live.launch_of)

    async def announce(self) -> None:
        """Give the router every app: adopted dynos serve on, and those that will boot hold their visitors meanwhile."""
        routes: dict[UUID, tuple[Sequence[Target], WebState]] = {}
        for app in await self._store.apps.all():
            routes[app.id] = (), await self._state_before_boot(app)
        adopted = {app_id: route for app_id, route in self._runner.routes().items() if app_id in routes and route[0]}
        await self._router.announce(routes | adopted)
        crash_point("start.announced")

    async def _state_before_boot(self, app: App) -> WebState:
        try:
            running = await self._live.running_release(app)
        except Exception:
            log.exception("cannot tell what should run", extra={"app": app.name})  # stays with that app
            return WebState.CRASHED
        return WebState.BLANK if running is None else WebState.BOOTING

    async def boot_all(self) -> None:
        """Boot what is missing, each app on its own, and finish the changes that were acknowledged and not yet followed."""
        waiting = await self._store.changes.pending()
        apps = await self._store.apps.all()
        await asyncio.gather(*(self._boot_or_log(app, [each for each in waiting if each.app_id == app.id]) for app in apps))

    async def _boot_or_log(self, app: App, waiting: Sequence[Change]) -> None:
        with apart(app, "boot an app"):
            await self._boot(app, waiting)

    async def _boot(self, app: App, waiting: Sequence[Change]) -> None:
        releases = {each.number: each for each in await self._store.releases.list(app)}
        open_changes = []
        for change in waiting:
            release = releases.get(change.release_number or 0)
            if release is not None and release.status is ReleaseStatus.SUCCEEDED:
                await self._changes.settle(change.id, None)
            elif release is not None and release.status is ReleaseStatus.FAILED:
                await self._changes.settle(change.id, f"{release.name} failed\n`pushd logs` shows why.")
            else:
                open_changes.append(change.id)
        up = await self._live.resume(app)
        crash_point("start.resumed")
        if app.id in self._stored:  # what failed with its build must not be finished
            await self._stored.pop(app.id).wait()
        if pending := await self._still_pending(app, releases):
            await self._finish(app, pending, open_changes)
        elif up is not None and open_changes:
            named = {change.id: change.dynos for change in waiting if change.dynos}
            for change_id in named.keys() & set(open_changes):
                self._dynos.follow_reboot(app, [change_id], why="a restart that was cut short", names=named[change_id])
            if rest := [change_id for change_id in open_changes if change_id not in named]:
                self._deploys.follow_boot(app, up, rest)
        else:
            for change_id in open_changes:
                await self._changes.settle(change_id, None)  # there is nothing to boot

    async def _still_pending(self, app: App, numbers: Container[int]) -> list[Release]:
        """Newest first, those of these numbers: a push that came in meanwhile finishes its own."""
        releases = await self._store.releases.list(app)
        return [each for each in releases if each.status is ReleaseStatus.PENDING and each.number in numbers]

    async def _finish(self, app: App, pending: Sequence[Release], change_ids: Sequence[UUID]) -> None:
        """The newest release that was stored goes live; older ones are overtaken."""
        newest, *older = pending
        for release in older:
            await self._store.releases.move(release, ReleaseEvent.OVERTAKEN)
            crash_point("start.overtaken")
        user = await self._store.users.maybe_by_email(newest.user_email) or await self._store.users.operator()
        if user is None:
            raise NotFound("There is no operator.", resource="user")
        self._deploys.follow_soon(app, newest, user, change_ids)


def _made_by(build: Build, releases: Sequence[Release]) -> Release | None:
    """The build's release, of these, oldest first; killed right after it was stored, the build does not name it yet."""
    if build.release_id is not None:
        return next((each for each in releases if each.id == build.release_id), None)
    pending = [each for each in releases if each.status is ReleaseStatus.PENDING]
    # The first: others with its slug are config changes, which were acknowledged.
    return next((each for each in pending if each.slug_id is not None and each.slug_id == build.slug_id), None)
