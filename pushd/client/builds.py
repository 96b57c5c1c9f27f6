"""Calls about builds, their sources, slugs and buildpacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, cast

from pushd.client.calls import Calls, app_path, changed, request_target
from pushd.client.shapes import BuildpackShape, BuildShape, Changed, ReleaseShape

OUTPUT_SILENCE_SECONDS = 3600.0  # a build may say nothing until its time limit


class BuildCalls(Calls):
    """One method for each."""

    def builds(self, app: str) -> list[BuildShape]:
        """Newest first: the server lists the oldest first, and knows the order of two of one second."""
        return list(reversed(self._list(app_path(app, "builds"))))

    def build(self, app: str, build_id: str) -> BuildShape:
        return cast(BuildShape, self._get(app_path(app, "builds", build_id)))

    def create_build(self, app: str, source: Mapping[str, str | None]) -> BuildShape:
        """`source` is the source_blob: url, version ..."""
        blob = {name: value for name, value in source.items() if value is not None}
        return cast(BuildShape, self._send("POST", app_path(app, "builds"), {"source_blob": blob}))

    def cancel_build(self, app: str, build_id: str) -> BuildShape:
        """Answered once it has ended."""
        return cast(BuildShape, self._send("DELETE", app_path(app, "builds", build_id)))

    def upload_source(self, app: str, content: IO[bytes], size_bytes: int) -> str:
        """Send an archive for an app; gives the URL to build it from."""
        urls: dict[str, str] = self._send("POST", app_path(app, "sources"))["source_blob"]
        self._transport.upload(request_target(urls["put_url"]), content, size_bytes)
        return urls["get_url"]

    def output(self, url: str) -> Iterator[bytes]:
        """The text behind an `output_stream_url`, live until it ends."""
        return self._transport.stream(request_target(url), silence_seconds=OUTPUT_SILENCE_SECONDS)

    def release_slug(self, app: str, slug_id: str, description: str) -> Changed[ReleaseShape]:
        body: dict[str, Any] = {"slug": slug_id, "description": description}
        return changed(self._transport.call("POST", app_path(app, "releases"), body=body))

    def buildpacks(self, app: str) -> list[BuildpackShape]:
        """In order; none if the server detects one."""
        return cast(list[BuildpackShape], self._list(app_path(app, "buildpack-installations")))

    def set_buildpacks(self, app: str, buildpacks: Sequence[str]) -> list[BuildpackShape]:
        """All buildpacks of an app, in order; none lets the server detect one."""
        body = {"updates": [{"buildpack": each} for each in buildpacks]}
        return cast(list[BuildpackShape], self._send("PUT", app_path(app, "buildpack-installations"), body))
