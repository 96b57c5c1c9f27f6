"""Slugs made elsewhere: a row first, then their archive; and slugs of ours as archives for others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from uuid import uuid4

from pushd.errors import Conflict, InvalidParams
from pushd.kit.aio import in_thread
from pushd.kit.archive import sha256_of
from pushd.kit.clock import Clock
from pushd.kit.pack import pack
from pushd.layout import Layout
from pushd.model.app import App
from pushd.model.slug import Slug, SlugState
from pushd.store.store import Store
from pushd.story.disk import DiskReserve
from pushd.story.rooms import Builder
from pushd.story.uploads import Uploads

TOP = "app"  # Heroku's archives hold everything in ./app


class SlugUploads:
    """Makes slugs of what is uploaded, and archives of slugs."""

    def __init__(
        self, *, store: Store, layout: Layout, builder: Builder, uploads: Uploads, disk: DiskReserve, clock: Clock
    ) -> None:
        self._store = store
        self._layout = layout
        self._builder = builder
        self._uploads = uploads
        self._disk = disk
        self._clock = clock

    async def create(
        self,
        app: App,
        process_types: Mapping[str, str],
        *,
        commit: str,
        commit_description: str,
        buildpack_description: str,
        archive_checksum: str,
    ) -> Slug:
        """A slug whose archive is awaited. Raises: DiskFull."""
        self._disk.check()
        return await self._store.slugs.create(
            Slug(
                id=uuid4(),
                app_id=app.id,
                checksum="",
                environment="",
                commit=commit,
                commit_description=commit_description,
                process_types=process_types,
                buildpack_description=buildpack_description,
                size_bytes=0,
                created_at=self._clock.now(),
                state=SlugState.AWAITED,
                archive_checksum=archive_checksum,
            )
        )

    async def receive(self, app: App, slug: Slug, chunks: AsyncIterator[bytes]) -> Slug:
        """Take in the archive; the slug can be released then. Raises: Conflict if it has one, InvalidParams for a bad one."""
        if slug.state is not SlugState.AWAITED:
            raise Conflict("This slug has its archive already.", remedy="Make another slug for another archive.")
        upload_id = uuid4()  # of its own: what somebody else sends for the same slug must not take its place
        with self._uploads.kept(upload_id):
            await self._uploads.receive(upload_id, chunks)
            path = self._uploads.maybe(upload_id)
            assert path is not None  # it is kept
            if slug.archive_checksum and (found := await in_thread(sha256_of, path)) != slug.archive_checksum:
                raise InvalidParams(
                    f"The archive has another checksum than was given: SHA256:{found}.",
                    remedy="Send it again, as it was meant.",
                )
            resources = await self._store.resources.of(app)
            return await self._builder.keep_uploaded(slug, path, limit_mb=resources.of_build().slug_mb)

    async def packed(self, slug: Slug) -> Path:
        """A new file with the slug's archive, the same for the same content; the caller removes it. Raises: Conflict."""
        if slug.state is SlugState.AWAITED:
            raise Conflict("This slug has no archive yet.", remedy="Upload it first.")
        self._disk.check()
        path = self._uploads.scratch()
        try:
            await in_thread(partial(pack, self._layout.slug(slug.checksum), path, top=TOP))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path
