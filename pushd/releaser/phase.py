"""The release phase: the `release` process type runs once, before traffic moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from pushd.errors import ReleasePhaseFailed
from pushd.kit.crash import crash_point
from pushd.kit.transcript import Transcript
from pushd.model.formation import RELEASE
from pushd.model.launch import Launch
from pushd.store.store import Store


class Runs(Protocol):
    """What the phase needs of the runner."""

    async def run_once(
        self,
        launch: Launch,
        command: str,
        *,
        type: str,
        transcript: Transcript | None = None,
        timeout_seconds: float,
    ) -> int: ...


class Outputs(Protocol):
    """Where release output goes while it is written."""

    def open_release(self, app_id: UUID, release_id: UUID) -> Transcript: ...


class ReleasePhase:
    """Runs the phase of one release and keeps its output."""

    def __init__(self, store: Store, runs: Runs, outputs: Outputs, *, timeout_seconds: float) -> None:
        self._store = store
        self._runs = runs
        self._outputs = outputs
        self._timeout_seconds = timeout_seconds

    async def run(self, launch: Launch, tell: Callable[[bytes], None] | None = None) -> None:
        """Run the launch's `release` command, if its process types have one; its output also goes to `tell`.

        Raises: ReleasePhaseFailed when it does not exit with 0 in time.
        """
        command = launch.release.process_types.get(RELEASE)
        if command is None:
            return
        output = self._outputs.open_release(launch.app.id, launch.release.id)
        if tell is not None:
            output.listen(tell)
        try:
            await self._store.releases.set_has_output(launch.release)
            code = await self._runs.run_once(
                launch, command, type=RELEASE, transcript=output, timeout_seconds=self._timeout_seconds
            )
        except TimeoutError:
            raise ReleasePhaseFailed(
                f"release phase took longer than {self._timeout_seconds:g} seconds and was ended",
                remedy="Make it quicker, or run it by hand with `pushd run:detached`.",
            ) from None
        finally:
            output.close()
        crash_point("phase.ended")
        if code != 0:
            raise ReleasePhaseFailed(
                f"release phase exited with status {code}",
                remedy=f"Command: {command}\n`pushd releases:output {launch.release.name}` shows its output again.",
            )
        await self._store.releases.set_phase_passed(launch.release)
        crash_point("phase.passed")
