"""The story of one push: build, release, boot, switch, retire.

A config change and a rollback enter the same story at the release, a scale and a restart at the boot (`story/dynos.py`). This
module knows the order of the rooms and nothing of their insides (`story/rooms.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

from pushd.errors import BootFailed, Conflict, NotFound, PushdError
from pushd.kit.aio import Nursery
from pushd.kit.crash import crash_point
from pushd.kit.transcript import Transcript
from pushd.model.app import App
from pushd.model.build import Build, BuildStatus
from pushd.model.change import Change
from pushd.model.logline import APP
from pushd.model.release import Release, ReleaseEvent, ReleaseStatus
from pushd.model.secret import Environ
from pushd.model.slug import SlugState
from pushd.model.source import Source, deploy_of, short
from pushd.model.user import User
from pushd.releaser.releaser import Releaser
from pushd.store.store import Store
from pushd.story.changes import Changes
from pushd.story.disk import DiskReserve
from pushd.story.golive import GoLive
from pushd.story.outputs import Outputs
from pushd.story.retention import Retention
from pushd.story.rooms import AppLog, Builder, Built, Runner, Say
from pushd.story.stops import BuildStops
from pushd.story.turns import BuildSlots, PushQueue
from pushd.story.verdicts import Verdicts, reason_of

log = logging.getLogger(__name__)
T = TypeVar("T")


class Deploys:
    """Takes what a user asks for to live traffic, or leaves traffic where it was."""

    def __init__(
        self,
        *,
        store: Store,
        builder: Builder,
        releaser: Releaser,
        live: GoLive,
        retention: Retention,
        changes: Changes,
        runner: Runner,
        app_log: AppLog,
        outputs: Outputs,
        disk: DiskReserve,
        verdicts: Verdicts,
        stops: BuildStops,
        slots: BuildSlots,
        nursery: Nursery,
        address_of: Callable[[App], str],
    ) -> None:
        self._store = store
        self._builder = builder
        self._releaser = releaser
        self._live = live
        self._retention = retention
        self._runner = runner
        self._log = app_log
        self._outputs = outputs
        self._disk = disk
        self._verdicts = verdicts
        self._nursery = nursery
        self._address_of = address_of  # the URL visitors use
        self._changes = changes
        self._pushes = PushQueue()
        self._stops = stops
        self._slots = slots
        self._newest: dict[UUID, asyncio.Task[Release]] = {}  # what makes the newest stored release of an app live

    # --- a push -----------------------------------------------------------------------------------------------------

    async def push(
        self, app: App, source: Source, *, user: User, branch: str, no_cache: bool, transcript: Transcript
    ) -> Release:
        """Take one pushed commit to live traffic, or leave traffic where it was.

        Raises: PushdError with the reason; the build's record has it too.
        """
        self._disk.check()
        build = await self._store.builds.create(app, user=user, commit=source.commit, branch=branch)
        crash_point("build.recorded")
        async with self._recorded(app, build):
            self._outputs.keep_build(app.id, build.id, transcript)
            return await self._in_turn(app, build, source, user=user, no_cache=no_cache, transcript=transcript)

    async def build(
        self, app: App, build: Build, source: Source, *, user: User, transcript: Transcript, buildpacks: Sequence[str] = ()
    ) -> Release:
        """The same for a source that has its record already, in the same queue; `buildpacks` stand in for the app's own."""
        async with self._recorded(app, build):
            return await self._in_turn(
                app, build, source, user=user, no_cache=False, transcript=transcript, buildpacks=buildpacks
            )

    async def cancel_build(self, app: App, build_id: str, user: User) -> Build:
        """Stop a build that waits or builds; gives its record once it has ended. Raises: NotFound, Conflict."""
        build = await self._store.builds.find(app, build_id)
        await self._stops.stop(build.id)
        self._tell(app, f"Build cancelled by user {user.email}")
        return await self._store.builds.find(app, build.id)

    @asynccontextmanager
    async def _recorded(self, app: App, build: Build) -> AsyncIterator[None]:
        """Store how a build failed, if it does."""
        with self._stops.known(build.id, app.id):
            try:
                yield
            except asyncio.CancelledError:
                raise  # the daemon stops: the next one settles what is pending, as after a kill
            except BaseException as error:
                crash_point("build.failing")
                try:
                    await self._end(build, BuildStatus.FAILED, reason_of(error))
                except NotFound:  # the build went with its app, whatever the deploy stumbled over
                    raise Conflict("the app was destroyed meanwhile") from error
                self._tell(app, f"Build or deploy of {short(build.commit) or 'an archive'} failed")
                raise

    async def _in_turn(
        self,
        app: App,
        build: Build,
        source: Source,
        *,
        user: User,
        no_cache: bool,
        transcript: Transcript,
        buildpacks: Sequence[str] = (),
    ) -> Release:
        """Deploy once the push before this one is done. One that waits has its record, and can be cancelled."""
        async with AsyncExitStack() as turn:
            with self._stops.allowed(build.id):
                label = short(source.commit, 7) or "an archive"
                await turn.enter_async_context(self._pushes.turn(app.id, label, transcript.say))
                async with self._slots.hold(transcript.say):
                    built = await self._build(
                        app, build, source, no_cache=no_cache, transcript=transcript, buildpacks=buildpacks
                    )
            release = await self._release(app, build, source, built, user=user, transcript=transcript)
            await self._end(build, BuildStatus.SUCCEEDED)
            crash_point("build.settled")
            transcript.say(f"-----> {release.name} is live\n       {self._address_of(app)} deployed to pushd")
        self._nursery.start(self._retention.forget_old(app), name=f"prune {app.name}", expected=PushdError)
        return release

    async def _build(
        self,
        app: App,
        build: Build,
        source: Source,
        *,
        no_cache: bool,
        transcript: Transcript,
        buildpacks: Sequence[str],
    ) -> Built:
        self._tell(app, f"Build started by user {build.user_email}")
        config, resources = await self._store.config.of(app), await self._store.resources.of(app)
        return await self._builder.build(
            app,
            source,
            config=config,
            resources=resources.of_build(),
            no_cache=no_cache,
            transcript=transcript,
            buildpacks=buildpacks or await self._buildpacks_of(app, config),
        )

    async def _buildpacks_of(self, app: App, config: Environ) -> Sequence[str]:
        """Those that the app asks for; the config var counts first, as on Heroku."""
        named = config.get("BUILDPACK_URL")
        return (named,) if named else await self._store.buildpacks.of(app)

    async def _release(
        self, app: App, build: Build, source: Source, built: Built, *, user: User, transcript: Transcript
    ) -> Release:
        await self._store.builds.update(build, slug_id=built.slug.id, buildpacks=built.buildpacks)
        crash_point("build.slug-recorded")
        why = f"the deploy of {short(source.commit, 7) or 'an archive'}"
        async with self._live.turns.hold(app.id, why=why, say=transcript.say):
            app = await self._store.apps.find(str(app.id))  # renamed or destroyed while we built
            self._tell(app, "Build succeeded")
            first = await self._store.formation.quantities(app)
            release = await self._releaser.of_slug(app, built.slug, user, description=deploy_of(source.commit))
            crash_point("release.of-slug")
            await self._store.builds.update(build, release_id=release.id)
            crash_point("release.of-build")
            await self._store.apps.set_sizes(app, slug_size_bytes=built.slug.size_bytes)
            self._tell_release(app, release)
            transcript.say(f"-----> Releasing {release.name}")
            release = await self._live.bring_live(app, release, say=transcript.say, tell=transcript.write)
            _hint_at_scaling(release, first, transcript.say)
            return release

    async def _end(self, build: Build, status: BuildStatus, reason: str | None = None) -> None:
        await self._verdicts.store(
            lambda: self._store.builds.update(build, status=status, reason=reason), what=f"the end of build {build.id}"
        )

    # --- changes that make a release --------------------------------------------------------------------------------

    async def set_config(self, app: App, changes: Mapping[str, str | None], user: User) -> tuple[Environ, Change | None]:
        """Store new config vars as a release and follow it. Raises: InvalidParams, DiskFull; nothing is changed then."""
        self._disk.check()
        made = await self._releaser.of_config(app, changes, user)
        if isinstance(made, Release):
            crash_point("config.stored")
            made = await self._follow(app, made, user)
        return await self._store.config.of(app), made

    async def rollback(self, app: App, to: str | None, user: User) -> tuple[Release, Change | None]:
        """Release the slug and config vars of an older release again, without a build."""
        self._disk.check()
        release = await self._releaser.of_older(app, to, user)
        crash_point("rollback.stored")
        return release, await self._follow(app, release, user)

    async def release_slug(self, app: App, slug_id: str, description: str, user: User) -> tuple[Release, Change | None]:
        """Release a slug that was built before, with the newest config vars."""
        self._disk.check()
        slug = await self._store.slugs.find(app, slug_id)
        if slug.state is SlugState.AWAITED:
            raise Conflict("Nothing has been uploaded for that slug.", remedy="PUT its archive to its blob.url first.")
        release = await self._releaser.of_slug(app, slug, user, description=description or deploy_of(slug.commit))
        return release, await self._follow(app, release, user)

    async def _follow(self, app: App, release: Release, user: User) -> Change | None:
        """Bring a stored release live in the background; None if there is nothing to boot."""
        self._tell_release(app, release)
        self._start(self._retention.forget_releases(app), f"forget old releases of {app.name}")
        if release.status is ReleaseStatus.SUCCEEDED:
            await self._live.show_pages(app)
            return None
        change = await self._changes.open(app, release.number)
        crash_point("release.change-opened")
        self.follow_soon(app, release, user, [change.id])
        return change

    def follow_soon(self, app: App, release: Release, user: User, change_ids: Sequence[UUID]) -> None:
        """Bring a pending release live in the background, and settle the changes that wait for it."""
        rollout = self._newest[app.id] = self._start(self._roll_out(app.id, release, user), f"{release.name} of {app.name}")
        self._changes.settle_by(change_ids, rollout)

    def follow_boot(self, app: App, up: asyncio.Future[Release], change_ids: Sequence[UUID]) -> None:
        """Settle changes by the boot at the daemon's start, which `up` tells the end of; it has the time of any boot."""
        self._changes.settle_by(change_ids, self._start(self._booted(app, up), f"boot of {app.name}"))

    async def _booted(self, app: App, up: asyncio.Future[Release]) -> Release:
        within = (await self._store.settings.of(app))["boot-timeout-seconds"]
        try:
            return await asyncio.wait_for(up, within)
        except TimeoutError:
            raise BootFailed(
                f"web did not come up within {within:g} seconds of the daemon's start",
                remedy="It is tried again and again: `pushd ps` and `pushd logs` show how it goes.",
            ) from None

    def _start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        return self._nursery.start(work, name=name, expected=PushdError)  # told to the user

    async def _roll_out(self, app_id: UUID, release: Release, user: User) -> Release:
        async with self._live.turns.hold(app_id, why=release.description):
            app = await self._store.apps.find(str(app_id))
            newest = await self._store.releases.latest(app)
            if newest.number == release.number or newest.status is ReleaseStatus.FAILED:
                replacement = await self._releaser.replacement_of(app, release, user)
                if replacement is None:
                    return await self._live.bring_live(app, release)
                await self._store.releases.move(release, ReleaseEvent.OVERTAKEN)
                crash_point("release.replaced")
                self._tell_release(app, replacement)
                return await self._live.bring_live(app, replacement)
            await self._store.releases.move(release, ReleaseEvent.OVERTAKEN)
            crash_point("release.overtaken")
            if newest.status is ReleaseStatus.SUCCEEDED:
                return newest  # a push stored it and took it live in a turn before ours
        return await asyncio.shield(self._newest[app_id])  # whoever waits for this one waits for the newer one

    # --- questions ----------------------------------------------------------------------------------------------------

    async def wait_change(self, change_id: UUID, within: float) -> Change:
        """The change when it is settled, or as it is after `within` seconds. Raises: NotFound."""
        return await self._changes.wait(change_id, within=within)

    def _tell(self, app: App, message: str) -> None:
        self._log.say(app.id, APP, "api", message)

    def _tell_release(self, app: App, release: Release) -> None:
        self._tell(app, f"{release.description} by user {release.user_email}")
        self._tell(app, f"Release {release.name} created by user {release.user_email}")


def _hint_at_scaling(release: Release, before: Mapping[str, int], say: Say) -> None:
    """On its first deploy a process type other than web is wanted 0 times: say how to start it."""
    fresh = [kind for kind in release.process_types if kind not in before and kind not in ("web", "release")]
    for kind in fresh:
        say(f"       {kind} runs 0 dynos; start it with: pushd ps:scale {kind}=1")
