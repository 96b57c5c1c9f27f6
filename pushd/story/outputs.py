"""Build and release output: followed while it is written, read from its file afterwards."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

from pushd.kit.aio import in_thread
from pushd.kit.disk import is_full
from pushd.kit.transcript import Transcript
from pushd.layout import Layout

log = logging.getLogger(__name__)
_CHUNK_BYTES = 1 << 16


class Outputs:
    """Knows the transcripts that are being written and the files that earlier ones left."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._live: dict[Path, Transcript] = {}

    def keep_build(self, app_id: UUID, build_id: UUID, transcript: Transcript) -> None:
        """Let the build's record share the push's own file: a second name of the same text."""
        path = self._layout.build_output(app_id, build_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(transcript.path, path)
        self._register(path, transcript)

    def open_build(self, app_id: UUID, build_id: UUID) -> Transcript:
        """A new transcript for a build that nobody pushed."""
        path = self._layout.build_output(app_id, build_id)
        transcript = Transcript(path)
        self._register(path, transcript)
        return transcript

    def open_release(self, app_id: UUID, release_id: UUID) -> Transcript:
        """A new transcript for one release phase."""
        path = self._layout.release_output(app_id, release_id)
        transcript = Transcript(path)
        self._register(path, transcript)
        return transcript

    async def end_build(self, app_id: UUID, build_id: UUID, line: str) -> None:
        """Let the text of a build that died with the daemon end with this line, once; a full disk has no room for it."""
        try:
            await in_thread(_end_with, self._layout.build_output(app_id, build_id), line.encode() + b"\n")
        except OSError as error:
            if not is_full(error):
                log.warning("the output of a build does not tell its end", extra={"build": str(build_id), "cause": error})

    def of_build(self, app_id: UUID, build_id: UUID) -> AsyncIterator[bytes] | None:
        """The build's output from its start, live while it runs; None if there is none."""
        return self._read(self._layout.build_output(app_id, build_id))

    def of_release(self, app_id: UUID, release_id: UUID) -> AsyncIterator[bytes] | None:
        """The release phase's output; None if there is none."""
        return self._read(self._layout.release_output(app_id, release_id))

    async def drop_others(self, app_id: UUID, ids: set[UUID]) -> None:
        """Remove the output of all builds and releases but these."""
        await in_thread(_remove_others, self._layout.outputs(app_id), {str(each) for each in ids})

    async def drop_builds(self, app_id: UUID, build_ids: list[UUID]) -> None:
        """Remove what forgotten builds left."""
        for build_id in build_ids:
            await in_thread(_remove, self._layout.build_output(app_id, build_id))

    async def drop_releases(self, app_id: UUID, release_ids: set[UUID]) -> None:
        """Remove the output of these releases, of those of them that have any."""
        await in_thread(_remove_named, self._layout.release_output(app_id, app_id).parent, {str(each) for each in release_ids})

    async def trim(self, app_id: UUID, limit_bytes: int) -> None:
        """Remove the oldest outputs of an app until the rest is within the limit; never the newest or what is being written."""
        live = {path for path in self._live if self._is_live(path)}
        await in_thread(_trim, self._layout.outputs(app_id), limit_bytes, live)

    def _is_live(self, path: Path) -> bool:
        return path in self._live and not self._live[path].closed

    def _register(self, path: Path, transcript: Transcript) -> None:
        self._live = {known: each for known, each in self._live.items() if not each.closed}
        self._live[path] = transcript

    def _read(self, path: Path) -> AsyncIterator[bytes] | None:
        if self._is_live(path):
            return self._live[path].follow()
        return _file(path) if path.exists() else None


async def _file(path: Path) -> AsyncIterator[bytes]:
    reader = await in_thread(os.open, path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while data := await in_thread(os.read, reader, _CHUNK_BYTES):
            yield data
    finally:
        os.close(reader)


def _end_with(path: Path, line: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b", opener=lambda name, flags: os.open(name, flags | os.O_CLOEXEC, 0o600)) as file:
        file.seek(max(0, file.tell() - len(line) - 1))
        end = file.read()
        if not end.endswith(line):  # a daemon that was killed right here has written it
            file.write((b"" if end.endswith(b"\n") or not end else b"\n") + line)


def _remove_others(folder: Path, stems: set[str]) -> None:
    for path in (*folder.glob("builds/*.txt"), *folder.glob("releases/*.txt")):
        if path.stem not in stems:
            _remove(path)


def _trim(folder: Path, limit_bytes: int, live: set[Path]) -> None:
    found = [(path.stat(), path) for path in (*folder.glob("builds/*.txt"), *folder.glob("releases/*.txt"))]
    found.sort(key=lambda each: each[0].st_mtime_ns, reverse=True)
    kept_bytes = 0
    for status, path in found:
        kept_bytes += status.st_blocks * 512
        if kept_bytes > limit_bytes and path not in live and path != found[0][1]:
            _remove(path)


def _remove_named(folder: Path, stems: set[str]) -> None:
    for path in folder.glob("*.txt"):
        if path.stem in stems:
            _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
