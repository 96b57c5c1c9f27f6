"""From a commit to a slug: check out, let buildpacks compile, read the process types, put the slug on the shelf."""

from __future__ import annotations

import asyncio
import logging
from asyncio import Lock
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

from pushd.builder import cache
from pushd.builder.adopt import adopt_files
from pushd.builder.buildpack import Compiled, Confines, run_buildpacks
from pushd.builder.detect import Fetches, find_buildpacks, installed_buildpacks, tell_buildpacks
from pushd.builder.folders import measure_lengths, shown_size
from pushd.builder.needs import Room, Slugs, Uids
from pushd.builder.process_types import find_process_types, prepare
from pushd.builder.redact import BuildOutput
from pushd.builder.slug import is_whole, measure_content, shelve
from pushd.builder.tools import Tools
from pushd.builder.uploaded import is_fresh, take_in
from pushd.builder.workshop import Workshop, workshops
from pushd.errors import BuildFailed, Conflict, DiskFull
from pushd.kit.aio import finish, in_stoppable_thread, in_thread
from pushd.kit.clock import Clock
from pushd.kit.crash import crash_point
from pushd.kit.disk import is_full
from pushd.kit.ownership import seal
from pushd.kit.remove import remove_tree, remove_trees
from pushd.kit.transcript import Transcript
from pushd.layout import Layout
from pushd.model.app import App
from pushd.model.resources import Resources
from pushd.model.secret import Environ
from pushd.model.slug import Slug
from pushd.model.source import Source

log = logging.getLogger(__name__)
T = TypeVar("T")

_CLEANUP_SECONDS = 60.0
_STOP_SECONDS = 30.0
_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildLimits:
    """What a build may take; at a limit it is ended, and the pusher told which one it was."""

    source_seconds: float  # the checkout, and the fetch of buildpacks
    compile_seconds: float  # all buildpacks together


@dataclass(frozen=True, slots=True)
class Built:
    """What a build gave: a slug that is stored, its folder in place; and the buildpacks that ran.

    These are as they were asked for; without any it is the folder's name of the one that detected the app.
    """

    slug: Slug
    buildpacks: tuple[str, ...]


class Builder:
    """Builds slugs, one at a time per app, and forgets those that nobody needs."""

    def __init__(
        self,
        *,
        layout: Layout,
        sandbox: Confines,
        uids: Uids,
        slugs: Slugs,
        clock: Clock,
        tools: Tools,
        fetcher: Fetches,
        buildpacks: Path,
        passthrough: Mapping[str, str],
        limits: BuildLimits,
        room: Room,
        caches_kept_bytes: int,
    ) -> None:
        self._layout = layout
        self._sandbox = sandbox
        self._uids = uids
        self._slugs = slugs
        self._clock = clock
        self._tools = tools
        self._fetcher = fetcher
        self._buildpacks = buildpacks  # the folder that holds the installed ones
        self._passthrough = dict(passthrough)  # what builds see of the daemon's environment
        self._limits = limits
        self._room = room
        self._caches_kept_bytes = caches_kept_bytes
        self._locks: WeakValueDictionary[UUID, Lock] = WeakValueDictionary()  # each as long as somebody holds it or waits
        self._shelf = Lock()  # a slug is put on the shelf and stored, or looked for and removed; never both at once
        self._measured: dict[UUID, Mapping[str, int]] = {}
        self._newest: dict[UUID, Slug] = {}  # built by this process: kept although no release may name it yet

    async def build(
        self,
        app: App,
        source: Source,
        *,
        config: Environ,
        resources: Resources,
        no_cache: bool,
        transcript: Transcript,
        buildpacks: Sequence[str] = (),
    ) -> Built:
        """Make a slug of a commit; what buildpacks say goes to the transcript as it comes, without secrets.

        `buildpacks` are those to run, all of them in order, as `model.buildpack` has them; without any the first installed
        one that fits builds the app.
        Killed at any point: the next build of the app clears away what is left, and nothing half-made is ever used.
        Raises: BuildFailed or another PushdError; its text is not in the transcript yet, and holds no secret.
        """
        async with self._lock(app.id), self._room.guarded():
            workshop = Workshop(self._layout, app.id, await self._uids.uid_of(app.id))
            try:
                await in_thread(_open, workshop, no_cache)
                async with self._source_in_time("the checkout of the source"):
                    await source.checkout(workshop.tree)
                declared = await in_thread(prepare, workshop.tree)
                compiled = await self._compile(workshop, buildpacks, source.commit, config, resources, transcript)
                if copied := await in_thread(_take_back, workshop, resources.slug_mb * _MEGABYTE):
                    log.warning("files that a build had open were copied", extra={"app": app.name, "count": copied})
                process_types = await in_thread(find_process_types, workshop.tree, declared, compiled)
                content = await self._read(measure_content, workshop.tree)
                slug = Slug(
                    id=uuid4(),
                    app_id=app.id,
                    checksum=content.checksum,
                    environment=compiled.environment,
                    commit=source.commit,
                    commit_description=source.description,
                    process_types=process_types,
                    buildpack_description=compiled.description,
                    size_bytes=content.size_bytes,
                    created_at=self._clock.now(),
                )
                await self._keep(slug, workshop)
            except OSError as error:
                if not is_full(error):
                    raise
                raise _no_room() from error
            finally:
                await finish(self._clear(workshop), within=_CLEANUP_SECONDS)
        _tell_result(slug, declared, transcript)
        return Built(slug, tuple(buildpacks) or compiled.buildpacks)

    async def keep_uploaded(self, slug: Slug, archive: Path, *, limit_mb: int) -> Slug:
        """Put the files of a slug that was made elsewhere in their place; gives the slug as it is stored then.

        Raises: InvalidParams for an archive that must not be unpacked, or is too large; Conflict when another one came first;
        NotFound when the slug is gone.
        """
        async with self._lock(slug.id):
            workshop = Workshop(self._layout, slug.id)
            try:
                return await take_in(slug, archive, workshop, limit_mb * _MEGABYTE, self._fill)
            finally:
                await finish(in_thread(workshop.clear), within=_CLEANUP_SECONDS)

    async def _fill(self, slug: Slug, tree: Path) -> Slug:
        place = self._layout.slug(slug.checksum)
        whole = await self._read(is_whole, place)
        async with self._shelf:
            await in_thread(shelve, tree, place, whole)
            return await self._slugs.fill(slug)

    async def adopt(self, app: App, slug: Slug) -> Slug:
        """A finished slug of another app as one of this app, with files of its own; nothing is built.

        Killed at any point, it is as with a build. Raises: Conflict when the slug went meanwhile, DiskFull.
        """
        async with self._lock(app.id):
            workshop = Workshop(self._layout, app.id, await self._uids.uid_of(app.id))
            try:
                await in_thread(workshop.open)
                environment = await in_thread(adopt_files, self._layout, slug, app.id, workshop.tree, workshop.user)
                if not await self._slugs.is_kept(slug):  # records go before files: while this one stands, we copied all of it
                    raise FileNotFoundError
                content = await self._read(measure_content, workshop.tree)
                adopted = replace(
                    slug,
                    id=uuid4(),
                    app_id=app.id,
                    checksum=content.checksum,
                    environment=environment,
                    created_at=self._clock.now(),
                )
                await self._keep(adopted, workshop)
            except FileNotFoundError as error:
                raise Conflict("What this release needs is no longer kept.", remedy="Push its commit again.") from error
            except OSError as error:
                if not is_full(error):
                    raise
                raise _no_room() from error
            finally:
                await finish(in_thread(workshop.clear), within=_CLEANUP_SECONDS)
        return adopted

    async def environment_bytes(self, app: App) -> Mapping[str, int]:
        """What each environment of the app takes on the disk, by name; one is measured once, for it does not change."""
        environments = self._layout.environments(app.id)
        known = self._measured.get(app.id, {})
        self._measured[app.id] = await in_thread(cache.measure_environments, environments, known)
        return self._measured[app.id]

    async def prune(self, app: App, *, keep_checksums: Collection[str] = (), keep_environments: Collection[str] = ()) -> None:
        """Forget the app's slugs and environments that are not named, and folders of slugs that no app names.

        What this process built last for the app stays too: its release may not be stored yet. While the app builds, nothing
        is done: the end of that build brings us here again.
        """
        lock = self._lock(app.id)
        if lock.locked():
            return
        async with lock:
            newest = self._newest.get(app.id)
            for slug in await self._slugs.list(app):
                if slug.checksum not in keep_checksums and slug != newest and not is_fresh(slug, self._clock.now()):
                    with suppress(Conflict):  # a release that runs came to need it meanwhile
                        await self._slugs.delete(slug)
                        crash_point("retention.slug-forgotten")
            needed = {*keep_environments, *await self._slugs.environments_in_use(app.id)}
            environments = self._layout.environments(app.id)
            await in_thread(remove_trees, cache.spare_environments(environments, needed))
            freed = await in_thread(
                cache.trim,
                (environments / ".cache", self._layout.cache(app.id)),
                self._caches_kept_bytes,
                [environments / name for name in needed],
            )
            if freed:
                log.info("build caches emptied", extra={"app": app.name, "bytes": freed})
        await self.sweep()

    async def destroy(self, app_id: UUID) -> None:
        """Remove what builds of an app left, after it was deleted from the store."""
        async with self._lock(app_id):
            self._newest.pop(app_id, None)
            self._measured.pop(app_id, None)
            kept = (self._layout.environments(app_id), self._layout.cache(app_id), self._layout.buildpacks(app_id))
            workshop = Workshop(self._layout, app_id)
            places = (workshop.incoming, workshop.top, *kept)
            await in_thread(remove_trees, places)
        await self.sweep()

    async def sweep(self) -> None:
        """Remove what killed builds left, and folders on the shelf that no slug of the store names."""
        for app_id in await in_thread(workshops, self._layout):
            lock = self._lock(app_id)
            if not lock.locked():
                async with lock:
                    await self._clear_if_possible(Workshop(self._layout, app_id))
        wastebasket = self._layout.slugs / cache.REMOVED
        try:
            async with self._shelf:
                for path in cache.spare_slugs(self._layout.slugs, await self._slugs.checksums_in_use()):
                    await in_thread(cache.set_aside, path, wastebasket)
            await in_thread(remove_tree, wastebasket)
        except OSError:  # the daemon serves all the same
            log.exception("cannot remove slugs that nobody needs")

    async def _compile(
        self,
        workshop: Workshop,
        names: Sequence[str],
        commit: str,
        config: Environ,
        resources: Resources,
        transcript: Transcript,
    ) -> Compiled:
        output = BuildOutput(transcript.write, config=config, environ=self._passthrough)
        packs = installed_buildpacks(self._buildpacks)
        if names:
            transcript.say(tell_buildpacks(names))
            async with self._source_in_time("the fetch of the buildpacks"):
                packs = await find_buildpacks(self._buildpacks, names, self._fetcher, workshop.app_id, workshop.fetched)
        try:
            compiled = await run_buildpacks(
                packs,
                workshop,
                self._sandbox,
                self._tools,
                every=bool(names),
                variables={**self._passthrough, "SOURCE_VERSION": commit},
                config=config,
                resources=resources,
                within=min(resources.time_seconds, self._limits.compile_seconds),
                output=output,
            )
        except BuildFailed as error:
            clean = output.clean_text
            raise BuildFailed(clean(error.message), remedy=clean(error.remedy), told=error.told) from error
        if compiled.report:
            log.info("buildpack report", extra={"app": workshop.app_id, "report": output.clean_text(compiled.report)})
        return compiled

    @asynccontextmanager
    async def _source_in_time(self, what: str) -> AsyncIterator[None]:
        """Raises: BuildFailed when what is done within takes too long."""
        limit = self._limits.source_seconds
        try:
            async with asyncio.timeout(limit) as deadline:
                yield
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise BuildFailed(
                f"{what} did not end within {limit:g} seconds and was stopped",
                remedy="The operator can raise source_timeout_seconds.",
            ) from error

    async def _read(self, work: Callable[..., T], folder: Path) -> T:
        """What reads all files of a folder, within the time for sources. Raises: BuildFailed."""
        async with self._source_in_time("the reading of the slug"):
            return await in_stoppable_thread(work, folder, within=_STOP_SECONDS)

    async def _clear_if_possible(self, workshop: Workshop) -> None:
        """What one app left and cannot be removed is no matter of the others: its own next build tells it."""
        try:
            await self._clear(workshop)
        except OSError as error:
            log.warning("what a build left stays", extra={"app": workshop.app_id, "cause": str(error)})

    async def _clear(self, workshop: Workshop) -> None:
        """Remove what belongs to one build only, an environment that it did not finish too."""
        await in_thread(workshop.clear)
        needed = await self._slugs.environments_in_use(workshop.app_id)
        await in_thread(remove_trees, cache.unfinished_environments(workshop.environments, needed))

    def _lock(self, workshop_id: UUID) -> Lock:
        return self._locks.setdefault(workshop_id, Lock())

    async def _keep(self, slug: Slug, workshop: Workshop) -> None:
        if slug.environment:
            environment = self._layout.environment(slug.app_id, slug.environment)
            try:
                await in_thread(seal, environment, workshop.user)
            except (NotADirectoryError, FileNotFoundError) as error:  # a program that its build handed it to took it away
                raise BuildFailed("the environment of the app is gone", remedy="Push again.") from error
            await in_thread(cache.sync_environment, environment)
        place = self._layout.slug(slug.checksum)
        whole = await self._read(is_whole, place)
        async with self._shelf:
            await in_thread(shelve, workshop.tree, place, whole)
            await self._slugs.create(slug)
            crash_point("slug.stored")
            self._newest[slug.app_id] = slug


def _no_room() -> DiskFull:
    return DiskFull(
        "The disk of the server is full: there is no room to build.", remedy="Have the operator make room, then push again."
    )


def _open(workshop: Workshop, no_cache: bool) -> None:
    workshop.open()
    if no_cache:
        workshop.forget_cache()


def _take_back(workshop: Workshop, limit_bytes: int) -> int:
    """The tree is ours again; gives how many files were copied. Raises: BuildFailed for one that is too large or too deep.

    That is looked for first, and costs little: a file of a terabyte may be all holes, and would be read for hours.
    """
    size_bytes = measure_lengths(workshop.tree)
    if size_bytes > limit_bytes:
        raise BuildFailed(
            f"the slug takes {shown_size(size_bytes)}, more than the {shown_size(limit_bytes)} that it may take",
            remedy="Leave out what the app does not need at run time with a .slugignore file, or let it be larger:\n"
            "pushd resources:set build slug=2G",
        )
    return workshop.take_back()


def _tell_result(slug: Slug, declared: Mapping[str, str], transcript: Transcript) -> None:
    origin = "Procfile declares types" if declared else "Default types"
    transcript.say(f"-----> Discovering process types\n       {origin} -> {', '.join(slug.process_types)}")
    transcript.say(f"-----> Slug is {shown_size(slug.size_bytes)}")
