"""Stand-ins for the rooms behind the API: they store what the real ones store, and boot nothing."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from pushd.errors import NotFound
from pushd.kit.transcript import Transcript
from pushd.model import config_vars
from pushd.model.app import App, parse_app_name
from pushd.model.app_settings import check_setting
from pushd.model.build import Build, BuildStatus
from pushd.model.change import Change
from pushd.model.dyno import Dyno, DynoState, Epoch
from pushd.model.formation import ProcessFormation, Scale, check_known
from pushd.model.logline import LogLine
from pushd.model.pipeline import Pipeline, Promotion
from pushd.model.release import Release, ReleaseStatus
from pushd.model.resources import DynoSize
from pushd.model.routing import Target, WebState
from pushd.model.secret import Environ
from pushd.model.slug import Slug, SlugState
from pushd.model.source import Source
from pushd.model.terminal import TerminalSize
from pushd.model.user import User
from pushd.store.store import Store
from pushd.story.rooms import Attached

EPOCH = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


class FakeDeploys:
    """Records what was asked in `asked`; changes stay pending until `settle`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.asked: list[tuple[object, ...]] = []
        self.running: dict[UUID, list[Dyno]] = {}
        self.waits = asyncio.Event()  # somebody waits for a change
        self.settled = asyncio.Event()
        self.built = asyncio.Event()
        self.unpacked = Path()

    async def set_config(self, app: App, changes: Mapping[str, str | None], user: User) -> tuple[Environ, Change | None]:
        wanted = config_vars.changed(await self.store.config.of(app), changes)
        release = await self._again(app, wanted, "Set config vars", user)
        return wanted, await self._follow(app, release)

    async def rollback(self, app: App, to: str | None, user: User) -> tuple[Release, Change | None]:
        older = await self.store.releases.find(app, to or 1)
        self.asked.append(("rollback", older.number))
        config = await self.store.releases.config_vars(older)
        release = await self._again(app, config, f"Rollback to {older.name}", user)
        return release, await self._follow(app, release)

    async def release_slug(self, app: App, slug_id: str, description: str, user: User) -> tuple[Release, Change | None]:
        await self.store.slugs.find(app, slug_id)
        release = await self._again(app, None, description or "Deploy", user)
        return release, await self._follow(app, release)

    async def scale(
        self, app: App, scales: Sequence[Scale], user: User, sizes: Mapping[str, DynoSize]
    ) -> tuple[list[ProcessFormation], Change | None]:
        types = (await self.store.releases.latest(app)).process_types
        wanted = await self.store.formation.quantities(app)
        for scale in scales:
            check_known(scale.type, types)
            wanted[scale.type] = scale.applied_to(wanted.get(scale.type, 0))
        await self.store.formation.set(app, wanted, {kind: size.name for kind, size in sizes.items()})
        return await self.store.formation.of(app), await self.store.changes.create(app, None)

    async def set_resources(self, app: App, type: str, changes: Mapping[str, str | None], user: User) -> Change | None:
        follows = await self.store.resources.set(app, type, changes)
        return await self.store.changes.create(app, None) if follows else None

    async def restart(self, app: App, *, user: User, type: str | None = None, name: str | None = None) -> Change | None:
        if type is not None and type not in {dyno.type for dyno in self.of(app)}:
            raise NotFound("Couldn't find that dyno.", resource="dyno", remedy="`pushd ps` lists those that run.")
        self.asked.append(("restart", type, name))
        return await self.store.changes.create(app, None)

    async def stop(self, app: App, *, user: User, type: str | None = None, name: str | None = None) -> Change | None:
        self.asked.append(("stop", type, name))
        return None

    async def build(self, app: App, build: Build, source: Source, *, user: User, transcript: Transcript,
                    buildpacks: Sequence[str] = ()) -> Release:  # fmt: skip
        """Unpacks the source and fails as a build would, or stays until it is cancelled."""
        self.asked.append(("build", tuple(buildpacks)))
        self.unpacked = Path(tempfile.mkdtemp(dir=transcript.path.parent))
        transcript.say("-----> Building")
        await source.checkout(self.unpacked)
        await self.store.builds.update(build, status=BuildStatus.SUCCEEDED)
        self.built.set()
        return await self.store.releases.latest(app)

    async def cancel_build(self, app: App, build_id: str, user: User) -> Build:
        build = await self.store.builds.find(app, build_id)
        self.asked.append(("cancel", build_id))
        return await self.store.builds.update(build, status=BuildStatus.FAILED, reason="cancelled")

    async def wait_change(self, change_id: UUID, within: float) -> Change:
        self.asked.append(("wait", within))
        if within:
            self.waits.set()
            await self.settled.wait()
        return await self.store.changes.find(change_id)

    def of(self, app: App) -> list[Dyno]:
        return self.running.get(app.id, [])

    def start(self, app: App, release: Release, name: str, command: str, state: DynoState = DynoState.UP) -> Dyno:
        dyno = Dyno(
            id=uuid4(),
            app_id=app.id,
            name=name,
            type=name.partition(".")[0],
            state=state,
            epoch=Epoch(release.number, 0),
            release_id=release.id,
            command=command,
            size="Standard-1X",
            port=None,
            created_at=EPOCH,
            updated_at=EPOCH,
        )
        self.running.setdefault(app.id, []).append(dyno)
        return dyno

    async def _again(self, app: App, config: Environ | None, description: str, user: User) -> Release:
        newest = await self.store.releases.latest(app)
        return await self.store.releases.create(
            app,
            slug_id=newest.slug_id,
            process_types=newest.process_types,
            config=config,
            description=description,
            user=user,
            status=ReleaseStatus.PENDING if newest.slug_id else ReleaseStatus.SUCCEEDED,
        )

    async def _follow(self, app: App, release: Release) -> Change | None:
        return await self.store.changes.create(app, release.number) if release.slug_id else None


class FakeBuilder:
    """Takes uploaded slugs for what they say they are."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def keep_uploaded(self, slug: Slug, archive: Path, *, limit_mb: int) -> Slug:
        size = len(await asyncio.to_thread(archive.read_bytes))
        return await self.store.slugs.fill(replace(slug, checksum="cd" * 32, size_bytes=size, state=SlugState.UPLOADED))

    async def build(self, *_: object, **__: object) -> Any:
        raise AssertionError("not in these tests")

    async def prune(self, *_: object, **__: object) -> None:
        raise AssertionError("not in these tests")

    async def destroy(self, *_: object, **__: object) -> None:
        raise AssertionError("not in these tests")


class FakeRuns:
    """One-off dynos that are listed and never run; `waiting` holds what a secret gives."""

    def __init__(self, deploys: FakeDeploys) -> None:
        self.deploys = deploys
        self.asked: list[tuple[object, ...]] = []
        self.waiting: dict[str, Attached] = {}
        self.size: TerminalSize | None = None

    async def detached(self, app: App, command: str, environ: Environ, user: User, dyno_size: DynoSize | None = None) -> Dyno:
        self.asked.append(("run", command, dict(environ)))
        return self.deploys.start(app, await self.deploys.store.releases.latest(app), "run.1234", command)

    async def attached(
        self,
        app: App,
        command: str,
        environ: Environ,
        user: User,
        size: TerminalSize | None,
        dyno_size: DynoSize | None = None,
    ) -> tuple[Dyno, str]:
        self.asked.append(("attach", command, dict(environ)))
        self.size = size
        release = await self.deploys.store.releases.latest(app)
        return self.deploys.start(app, release, "run.1234", command, DynoState.STARTING), "ab12" * 16

    async def inside(
        self, app: App, name: str, command: str, environ: Environ, user: User, size: TerminalSize | None
    ) -> tuple[Dyno, str]:
        self.asked.append(("inside", name, command))
        return await self.attached(app, command, environ, user, size)

    def maybe_claim(self, secret: str) -> Attached | None:
        return self.waiting.pop(secret, None)


class FakeApps:
    """Apps in the store, without rooms that follow."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.full: Exception | None = None  # raised by `create`, if set

    async def create(self, name: str | None, user: User) -> App:
        if self.full is not None:
            raise self.full
        return await self.store.apps.create(parse_app_name(name or f"brisk-fjord-{uuid4().int % 100000}"), user)

    async def rename(self, app: App, name: str, user: User) -> App:
        return await self.store.apps.rename(app, name)

    async def set_maintenance(self, app: App, on: bool, user: User) -> App:
        return await self.store.apps.set_maintenance(app, on)

    async def set_settings(self, app: App, changes: Mapping[str, str | None], user: User) -> None:
        for name, text in changes.items():
            check_setting(name, text)
        await self.store.settings.set(app, changes)

    async def destroy(self, app: App) -> None:
        await self.store.apps.delete(app)


class FakeRouter:
    """Records whose route was asked for anew."""

    def __init__(self) -> None:
        self.refreshed: list[UUID] = []

    async def route(self, app_id: UUID, targets: Sequence[Target], state: WebState) -> None:
        raise NotImplementedError

    async def announce(self, routes: Mapping[UUID, tuple[Sequence[Target], WebState]]) -> None:
        raise NotImplementedError

    async def refresh(self, app_id: UUID) -> None:
        self.refreshed.append(app_id)

    async def forget(self, app_id: UUID) -> None:
        raise NotImplementedError


class FakeAppLog:
    """Keeps what the platform says of apps: `said` are the messages in order."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, app_id: UUID, source: str, process: str, message: str) -> None:
        assert (source, process) == ("app", "api")
        self.said.append(message)

    def set_limit(self, app_id: UUID, limit_bytes: int, *, lines_per_second: int | None = None) -> None:
        raise NotImplementedError

    async def destroy(self, app_id: UUID) -> None:
        raise NotImplementedError


class FakePromotions:
    """Stores what was asked for; nothing follows."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def promote(
        self, pipeline: Pipeline, source: App, release_id: str | None, targets: Sequence[App], user: User
    ) -> Promotion:
        release = await self.store.releases.find(source, release_id) if release_id else await self.store.releases.latest(source)
        return await self.store.promotions.create(pipeline, source, release, targets)

    async def find(self, promotion_id: str) -> Promotion:
        return await self.store.promotions.find(promotion_id)


class FakeOutputs:
    """Output pieces that a test feeds; an id without a queue has no output."""

    def __init__(self) -> None:
        self.pieces: dict[UUID, asyncio.Queue[bytes | None]] = {}

    def of_build(self, app_id: UUID, build_id: UUID) -> AsyncIterator[bytes] | None:
        return self._read(build_id)

    def of_release(self, app_id: UUID, release_id: UUID) -> AsyncIterator[bytes] | None:
        return self._read(release_id)

    def _read(self, id: UUID) -> AsyncIterator[bytes] | None:
        return _until_none(self.pieces[id]) if id in self.pieces else None


class FakeTails:
    """Log lines that a test feeds; what was asked for stands in `asked`."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []
        self.kept: list[LogLine] = []
        self.live: asyncio.Queue[LogLine | Exception | None] = asyncio.Queue()
        self.ended = 0

    async def tail(
        self,
        app_id: UUID,
        *,
        lines: int,
        process: str | None,
        source: str | None,
        follow: bool,
        after: str | None,
    ) -> AsyncIterator[Sequence[LogLine]]:
        self.asked.append({"lines": lines, "process": process, "source": source, "follow": follow, "after": after})
        try:
            for line in self.kept[-lines:] if lines else []:
                yield [line]
            while follow:
                item = await self.live.get()
                if isinstance(item, Exception):
                    raise item
                yield [item] if item else []
        finally:
            self.ended += 1


async def _until_none(queue: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
    while (piece := await queue.get()) is not None:
        yield piece
