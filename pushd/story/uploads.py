"""Archives that clients send us: streamed to the disk, found again by their id, gone when nobody came for them."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

from pushd.errors import BadRequest, DiskFull, TooLarge
from pushd.kit.aio import in_thread
from pushd.kit.atomic import sync_folder
from pushd.kit.crash import crash_point
from pushd.kit.disk import is_full
from pushd.layout import Layout
from pushd.story.disk import DiskReserve

log = logging.getLogger(__name__)

VALID = timedelta(hours=1)  # the URL to send to, and that to read from; Heroku's are as short-lived
SWEEP_SECONDS = 900.0
_SILENCE_SECONDS = 60.0
_CHECK_BYTES = 64 << 20  # how often the free room is looked at


class Uploads:
    """Files in one folder, each named by an id that its URL holds."""

    def __init__(self, layout: Layout, disk: DiskReserve, *, limit_bytes: int) -> None:
        self._folder = layout.uploads
        self._disk = disk
        self._in_use: Counter[UUID] = Counter()
        self.limit_bytes = limit_bytes

    async def receive(self, upload_id: UUID, chunks: AsyncIterator[bytes]) -> int:
        """Keep what comes, in the place of what came before under this id; gives its size. Cut off, it leaves nothing.

        Raises: TooLarge, DiskFull, BadRequest when nothing comes for a minute.
        """
        self._disk.check()
        part = self.scratch()
        try:
            size = await self._write(part, chunks)
            crash_point("upload.written")
            await in_thread(part.rename, self._path(upload_id))
            await in_thread(sync_folder, self._folder)
            crash_point("upload.kept")
        except TimeoutError:
            raise BadRequest("Nothing came for a minute.", remedy="Send it again.") from None
        except OSError as error:
            if not is_full(error):
                raise
            raise DiskFull(
                "The disk of the server is full.", remedy="Have the operator make room, then send it again."
            ) from None
        finally:
            part.unlink(missing_ok=True)
        return size

    def maybe(self, upload_id: UUID) -> Path | None:
        """The file, if it has come and is still there."""
        path = self._path(upload_id)
        return path if path.is_file() else None

    def scratch(self) -> Path:
        """A name for a file of one's own, to be removed by oneself; a later daemon removes it if that did not happen."""
        return self._folder / f".{uuid4()}"

    @contextmanager
    def kept(self, upload_id: UUID) -> Iterator[None]:
        """Within it the file stays, however old it grows; after the last who needs it, it goes."""
        self._in_use[upload_id] += 1
        try:
            yield
        finally:
            self._in_use[upload_id] -= 1
            if not self._in_use[upload_id]:
                del self._in_use[upload_id]
                self._path(upload_id).unlink(missing_ok=True)

    async def keep_tidy(self) -> None:
        """Remove for ever what nobody came for in time."""
        while True:
            await self.sweep()
            await asyncio.sleep(SWEEP_SECONDS)

    async def clear_unfinished(self) -> None:
        """Remove what a killed daemon left half done; for the start, before anything is received."""
        await in_thread(self._remove_unfinished)

    async def sweep(self) -> None:
        """Remove it once."""
        await in_thread(self._remove_older_than, time.time() - VALID.total_seconds(), {str(each) for each in self._in_use})

    def _remove_unfinished(self) -> None:
        for path in self._folder.glob(".*"):
            path.unlink(missing_ok=True)

    def _remove_older_than(self, moment: float, in_use: set[str]) -> None:
        for path in self._folder.iterdir():
            try:
                if path.name not in in_use and path.stat().st_mtime < moment:
                    path.unlink()
                    log.info("upload removed: nobody came for it", extra={"upload": path.name})
            except FileNotFoundError:
                continue

    async def _write(self, part: Path, chunks: AsyncIterator[bytes]) -> int:
        size = unchecked = 0
        with part.open("xb") as file:
            while (chunk := await _next(chunks)) is not None:
                size += len(chunk)
                unchecked += len(chunk)
                if size > self.limit_bytes:
                    raise too_large(self.limit_bytes)
                if unchecked > _CHECK_BYTES:
                    self._disk.check()
                    unchecked = 0
                await in_thread(file.write, chunk)
            file.flush()
            await in_thread(os.fsync, file.fileno())
        return size

    def _path(self, upload_id: UUID) -> Path:
        return self._folder / str(upload_id)


def too_large(limit_bytes: int) -> TooLarge:
    """What is sent is over the limit."""
    return TooLarge(
        f"The archive is larger than {limit_bytes} bytes.",
        remedy="Leave out what the build does not need, or have the operator raise source_limit_bytes.",
    )


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    async with asyncio.timeout(_SILENCE_SECONDS):
        return await anext(chunks, None)
