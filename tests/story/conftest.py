"""The story of a push with a real store and stand-ins for the rooms that build, run and route."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from pushd.deploy import Deploys
from pushd.errors import BootFailed, BuildFailed, DiskFull
from pushd.kit.aio import Nursery
from pushd.kit.transcript import Transcript
from pushd.layout import Layout
from pushd.model.app import App
from pushd.model.dyno import Dyno
from pushd.model.launch import Launch
from pushd.model.release import Release
from pushd.model.routing import Target, WebState
from pushd.model.slug import Slug
from pushd.model.user import User
from pushd.releaser.phase import ReleasePhase
from pushd.releaser.releaser import Releaser
from pushd.resume import Resume
from pushd.store.database import Database, Work
from pushd.store.keys import KeyFile
from pushd.store.store import Store
from pushd.story.apps import Apps
from pushd.story.changes import Changes
from pushd.story.disk import DiskReserve
from pushd.story.dynos import Dynos
from pushd.story.golive import GoLive
from pushd.story.outputs import Outputs
from pushd.story.promotions import Promotions
from pushd.story.retention import Kept, Retention
from pushd.story.stops import BuildStops
from pushd.story.turns import BootTurns, BuildSlots
from pushd.story.verdicts import Verdicts
from tests.fakes import FakeClock


@dataclass(frozen=True)
class FakeSource:
    commit: str
    description: str = "a commit"

    async def checkout(self, folder: Path) -> None:
        raise AssertionError("the fake builder looks at nothing")


@dataclass(frozen=True)
class FakeBuilt:
    slug: Slug
    buildpacks: tuple[str, ...] = ("python",)


class FakeBuilder:
    """Makes a slug of any commit; waits at `gate` if there is one, fails if told."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.process_types = {"web": "serve"}
        self.fails = False
        self.stubborn: UUID | None = None  # an app whose files cannot be removed
        self.gate: Awaitable[object] | None = None
        self.started: list[str] = []
        self.building = asyncio.Event()
        self.pruned: list[tuple[set[str], set[str]]] = []
        self._store = store
        self._clock = clock

    async def build(self, app: App, source: FakeSource, **rest: object) -> FakeBuilt:
        self.started.append(source.commit)
        self.building.set()
        if self.gate is not None:
            await self.gate
        if self.fails:
            raise BuildFailed("pip said no", remedy="Mend requirements.txt.")
        slug = Slug(
            id=uuid4(), app_id=app.id, checksum=source.commit.ljust(64, "0"), environment="env", commit=source.commit,
            commit_description="", process_types=self.process_types, buildpack_description="Python", size_bytes=1,
            created_at=self._clock.now(),
        )  # fmt: skip
        return FakeBuilt(await self._store.slugs.create(slug))

    async def adopt(self, app: App, slug: Slug) -> Slug:
        if self.fails:
            raise BuildFailed("no room", remedy="Make some.")
        return await self._store.slugs.create(replace(slug, id=uuid4(), app_id=app.id, created_at=self._clock.now()))

    async def keep_uploaded(self, slug: Slug, archive: Path, **rest: object) -> Slug:
        raise AssertionError("not in these tests")

    async def environment_bytes(self, app: App) -> Mapping[str, int]:
        return {}

    async def prune(self, app: App, *, keep_checksums: set[str], keep_environments: set[str]) -> None:
        self.pruned.append((keep_checksums, keep_environments))

    async def destroy(self, app_id: UUID) -> None:
        if app_id == self.stubborn:
            raise OSError(errno.EIO, "the disk is bad")


APPS_PER_USER = 3


@dataclass
class FakeRunner:
    """Boots nothing and notes the order; fails the releases in `failing`."""

    events: list[str] = field(default_factory=list)
    failing: set[int] = field(default_factory=set)
    phase_code: int = 0
    gate: Awaitable[object] | None = None
    on_ready: Callable[[Launch], Awaitable[None]] | None = None
    trying: Launch | None = None
    booting: asyncio.Event = field(default_factory=asyncio.Event)
    adopted: Mapping[UUID, Launch] = field(default_factory=dict)
    outdated_apps: set[UUID] = field(default_factory=set)
    adopts_older: bool = False

    async def boot_web(self, launch: Launch, say: Callable[[str], None]) -> Sequence[Dyno]:
        self.events.append(f"boot {launch.release.name}")
        self.booting.set()
        if self.gate is not None:
            await self.gate
        if launch.release.number in self.failing:
            raise BootFailed("web.1 exited with status 1", remedy="Look at its output.")
        return ()

    async def switch(self, launch: Launch, booted: Sequence[Dyno]) -> Sequence[Dyno]:
        self.events.append(f"switch {launch.release.name}")
        return ()

    def retire_soon(self, dynos: Sequence[Dyno]) -> None:
        self.events.append("retire")

    def replace_rest_soon(self, launch: Launch) -> None:
        self.events.append(f"rest {launch.release.name}")

    def keep_trying(self, launch: Launch, on_ready: Callable[[Launch], Awaitable[None]]) -> None:
        self.events.append(f"keep trying {launch.release.name}")
        self.trying, self.on_ready = launch, on_ready

    async def outdated(self) -> Collection[UUID]:
        return self.outdated_apps

    async def adopt(self, running: Mapping[UUID, Launch], launch_of: object) -> None:
        self.events.extend(f"adopt {launch.release.name}" for launch in running.values())
        self.adopted = running

    def routes(self) -> Mapping[UUID, tuple[Sequence[Target], WebState]]:
        return {app_id: ((Target("id", "web.1", 5000),), WebState.SERVING) for app_id in self.adopted}

    def serves_older(self, launch: Launch) -> bool:
        return launch.app.id in self.adopted and self.adopts_older

    async def restart(self, launch: Launch, names: Sequence[str]) -> None:
        self.events.append(f"restart {' '.join(names)}")

    async def run_once(self, launch: Launch, command: str, **rest: object) -> int:
        self.events.append(f"phase {launch.release.name}")
        return self.phase_code

    async def start_detached(self, launch: Launch, command: str, **rest: object) -> Dyno:
        raise AssertionError("not in these tests")

    async def stop_dynos(self, app_id: UUID, names: Sequence[str]) -> None:
        self.events.append(f"stop {' '.join(names)}")

    def dynos(self, app_id: UUID) -> list[Dyno]:
        return []

    async def stop_app(self, app_id: UUID) -> None:
        self.events.append("stop app")


class FakeRouter:
    """Acknowledges everything."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def route(self, app_id: UUID, targets: object, state: object) -> None:
        self.events.append(f"route {state}")

    async def announce(self, routes: Mapping[UUID, tuple[Sequence[Target], WebState]]) -> None:
        self.events.extend(f"route {state}" for _, state in routes.values())

    async def refresh(self, app_id: UUID) -> None:
        self.events.append("refresh")

    async def forget(self, app_id: UUID) -> None:
        self.events.append("forget")


class FakeLog:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.limits: dict[UUID, int] = {}

    def say(self, app_id: UUID, source: str, process: str, message: str) -> None:
        self.lines.append(f"{source}[{process}]: {message}")

    def set_limit(self, app_id: UUID, limit_bytes: int, *, lines_per_second: int | None = None) -> None:
        self.limits[app_id] = limit_bytes

    async def destroy(self, app_id: UUID) -> None:
        pass


class FakeRepositories:
    async def destroy(self, app_id: UUID) -> None:
        pass

    async def size_bytes(self, app_id: UUID) -> int:
        return 0


class Disk:
    """Refuses what the store writes while it is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        real: Callable[[Database, Work[Any]], Awaitable[Any]] = Database.transact

        async def transact(database: Database, work: Work[Any]) -> Any:
            if self.full:
                raise DiskFull("The disk is full.", remedy="Make room.")
            return await real(database, work)

        monkeypatch.setattr(Database, "transact", transact)


class Story:
    """Everything wired as the daemon does it."""

    def __init__(self, store: Store, layout: Layout, clock: FakeClock, user: User, nursery: Nursery) -> None:
        self.store, self.layout, self.user, self.clock = store, layout, user, clock
        self.builder, self.runner, self.router, self.log = FakeBuilder(store, clock), FakeRunner(), FakeRouter(), FakeLog()
        verdicts = Verdicts(nursery, clock)
        self.changes, self.outputs, turns = Changes(store, verdicts, nursery), Outputs(layout), BootTurns()
        stops = BuildStops()
        self.nursery = nursery
        releaser = Releaser(store, domain="localhost")
        phase = ReleasePhase(store, self.runner, self.outputs, timeout_seconds=60)
        disk = self.disk = DiskReserve(layout.data, 0)
        self.live = GoLive(
            store=store, releaser=releaser, phase=phase, runner=self.runner, router=self.router, app_log=self.log,
            turns=turns, verdicts=verdicts,
        )  # fmt: skip
        kept = Kept(slugs=2, slugs_bytes=1 << 40, builds=3, releases=8, outputs_bytes=1 << 40)
        self.retention = Retention(store=store, builder=self.builder, outputs=self.outputs, live=self.live, kept=kept)
        self.deploys = Deploys(
            store=store, builder=self.builder, releaser=releaser, live=self.live, retention=self.retention,
            changes=self.changes, runner=self.runner, app_log=self.log, outputs=self.outputs, disk=disk, nursery=nursery,
            verdicts=verdicts, stops=stops, slots=BuildSlots(2), address_of=lambda app: f"http://{app.name}.localhost/",
        )  # fmt: skip
        self.dynos = Dynos(
            store=store, live=self.live, changes=self.changes, runner=self.runner, app_log=self.log, disk=disk, nursery=nursery
        )
        self.apps = Apps(
            store=store, layout=layout, runner=self.runner, router=self.router, builder=self.builder,
            repositories=FakeRepositories(), app_log=self.log, turns=turns, stops=stops, disk=disk, nursery=nursery,
            apps_per_user=APPS_PER_USER,
        )  # fmt: skip
        self.promotions = Promotions(
            store=store, builder=self.builder, deploys=self.deploys, retention=self.retention, disk=disk, verdicts=verdicts,
            nursery=nursery,
        )  # fmt: skip
        self.resume = Resume(
            store=store, deploys=self.deploys, dynos=self.dynos, live=self.live, changes=self.changes, verdicts=verdicts,
            runner=self.runner, router=self.router, outputs=self.outputs, app_log=self.log,
        )  # fmt: skip

    async def push(self, app: App, commit: str) -> Release:
        """A push of a made-up commit."""
        transcript = self.transcript = Transcript(self.layout.outputs(app.id) / "pushes" / f"{uuid4()}.txt")
        self.said = transcript.path
        try:
            source = FakeSource(commit.ljust(40, "0"))
            return await self.deploys.push(app, source, user=self.user, branch="master", no_cache=False, transcript=transcript)
        finally:
            transcript.close()

    def outputs_text(self, app: App, build_id: UUID) -> str:
        """What a build printed."""
        return self.layout.build_output(app.id, build_id).read_text()

    async def statuses(self, app: App) -> dict[str, str]:
        """v1 -> succeeded, ..."""
        return {each.name: each.status.value for each in await self.store.releases.list(app, newest_first=False)}


@pytest.fixture
async def story(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Story]:
    layout = Layout(tmp_path)
    layout.make()
    store = await Store.open(layout.store, KeyFile(layout.secret_key), clock)
    user = await store.users.create_operator("admin@localhost", "a-token")
    async with Nursery("story") as nursery:
        yield Story(store, layout, clock, user, nursery)
    await store.close()


@pytest.fixture
async def app(story: Story) -> App:
    return await story.apps.create("blog", story.user)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)
