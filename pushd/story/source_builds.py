"""Builds of archives: the same story as a push, without git. The app's repository stays as it is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from pushd.errors import BuildFailed, InvalidParams, PushdError
from pushd.kit.aio import Nursery, in_stoppable_thread, in_thread
from pushd.kit.archive import BadArchive, lift_single_folder, sha256_of, unpack
from pushd.kit.crash import crash_point
from pushd.kit.download import download
from pushd.kit.fetch import CannotFetch
from pushd.kit.reach import Reach
from pushd.kit.transcript import Transcript, complaint
from pushd.model.app import App
from pushd.model.build import Build, BuildStatus
from pushd.model.buildpack import shown
from pushd.model.release import Release
from pushd.model.source import Archive, Source
from pushd.model.user import User
from pushd.store.store import Store
from pushd.story.disk import DiskReserve
from pushd.story.outputs import Outputs
from pushd.story.uploads import Uploads

log = logging.getLogger(__name__)

NOT_LIVE = "This build is not live; nothing has changed for visitors."
_STOP_SECONDS = 30.0


class Deploys(Protocol):
    """Who takes a source to live traffic."""

    async def build(
        self, app: App, build: Build, source: Source, *, user: User, transcript: Transcript, buildpacks: Sequence[str] = ()
    ) -> Release: ...


class SourceBuilds:
    """Starts builds of archives that were uploaded, or that we fetch."""

    def __init__(
        self,
        *,
        store: Store,
        deploys: Deploys,
        outputs: Outputs,
        uploads: Uploads,
        disk: DiskReserve,
        nursery: Nursery,
        reach: Reach,
        fetch_seconds: float,
    ) -> None:
        self._store = store
        self._deploys = deploys
        self._outputs = outputs
        self._uploads = uploads
        self._disk = disk
        self._nursery = nursery
        self._reach = reach
        self._fetch_seconds = fetch_seconds

    async def start(self, app: App, archive: Archive, user: User, *, buildpacks: Sequence[str] = ()) -> Build:
        """A pending build, which goes on in the background. Raises: InvalidParams when nothing was uploaded, DiskFull."""
        self._disk.check()
        if archive.upload is not None and self._uploads.maybe(archive.upload) is None:
            raise InvalidParams(
                "Nothing has been uploaded there, or it was built already.",
                remedy="Ask for new URLs with POST /sources, PUT the archive to put_url, then build get_url.",
            )
        build = await self._store.builds.create_of_archive(app, archive, user)
        crash_point("source.recorded")
        try:
            transcript = self._outputs.open_build(app.id, build.id)
        except OSError:
            await self._store.builds.update(build, status=BuildStatus.FAILED, reason="no output could be written")
            raise
        work = self._carry_on(app, build, archive, user, buildpacks, transcript)
        self._nursery.start(work, name=f"build of {app.name}")
        return build

    async def _carry_on(
        self, app: App, build: Build, archive: Archive, user: User, buildpacks: Sequence[str], transcript: Transcript
    ) -> None:
        source = ArchiveSource(archive, self._uploads, self._disk, self._reach, self._fetch_seconds)
        try:
            with self._uploads.kept(archive.upload) if archive.upload else nullcontext():
                await self._deploys.build(app, build, source, user=user, transcript=transcript, buildpacks=buildpacks)
        except PushdError as error:
            told = isinstance(error, BuildFailed) and error.told
            transcript.say(complaint(NOT_LIVE if told else f"{error.text}\n{NOT_LIVE}"))
        except Exception:
            log.exception("deploy failed", extra={"app": app.name, "build": build.id})
            transcript.say(complaint("The deploy failed for a reason of our own; the daemon's log has it."))
        finally:
            transcript.close()


class ArchiveSource:
    """An archive, as the builder needs it."""

    def __init__(self, archive: Archive, uploads: Uploads, disk: DiskReserve, reach: Reach, fetch_seconds: float) -> None:
        self.commit = archive.version
        self.description = archive.description
        self._archive = archive
        self._uploads = uploads
        self._disk = disk
        self._reach = reach
        self._fetch_seconds = fetch_seconds

    async def checkout(self, folder: Path) -> None:
        """Unpack it into an empty folder. Raises: BuildFailed for what cannot be fetched or must not be unpacked."""
        if self._archive.upload is not None:
            path = self._uploads.maybe(self._archive.upload)
            if path is None:
                raise BuildFailed("the uploaded archive is gone", remedy="Upload it again, and build that.")
            return await self._unpack(path, folder)
        fetched = self._uploads.scratch()
        try:
            await self._fetch(fetched)
            await self._unpack(fetched, folder)
        finally:
            fetched.unlink(missing_ok=True)

    async def _fetch(self, into: Path) -> None:
        url, limit, within = self._archive.url, self._uploads.limit_bytes, self._fetch_seconds
        try:
            await download(url, into, limit_bytes=limit, within=within, reach=self._reach, on_chunk=self._disk.check)
        except CannotFetch as error:
            raise BuildFailed(
                f"cannot fetch the source from {urlsplit(shown(url)).netloc}: {error}",
                remedy="Check the address, or upload the archive (POST /sources) and build that.",
            ) from error

    async def _unpack(self, path: Path, folder: Path) -> None:
        wanted = self._archive.checksum
        if wanted and (found := await in_thread(sha256_of, path)) != wanted:
            raise BuildFailed(
                f"the source has another checksum than was given: SHA256:{found}", remedy="Upload it again, as it was meant."
            )
        try:
            await in_stoppable_thread(
                partial(unpack, path, folder, limit_bytes=self._uploads.limit_bytes), within=_STOP_SECONDS
            )
        except BadArchive as error:
            raise BuildFailed(
                f"cannot unpack the source: {error}", remedy="Make it with `git archive` or `tar czf source.tgz .`"
            ) from error
        if not self._archive.keeps_top_folder:
            await in_thread(lift_single_folder, folder)
