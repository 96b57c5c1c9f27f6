"""A runner among small neighbours, with an app whose programs are a few lines each."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from pushd.kit.aio import Nursery
from pushd.layout import Layout
from pushd.model.app import App
from pushd.model.app_settings import AppSettings
from pushd.model.launch import Launch
from pushd.model.release import Release, ReleaseStatus
from pushd.model.resources import AppResources
from pushd.model.secret import Environ
from pushd.model.slug import Slug
from pushd.runner.parts import RunLimits
from pushd.runner.runner import Runner
from tests.runner.fakes import FakePipes, FakeRows, FakeScheduler, FakeTraffic, PatientClock, Recorder

PYTHON = "exec /usr/bin/python3 -SE"
SERVE = f"{PYTHON} serve.py"
SERVE_PY = """\
import os, socket, sys
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
address, _, port = os.environ.get("BIND", "127.0.0.1").partition(":")
server.bind((address, int(port or os.environ["PORT"])))
server.listen()
print("listening", flush=True)
while True:
    client, _ = server.accept()
    head = client.recv(65536)
    if head:
        print(*head.decode().split("\\r\\n")[:3], sep=" | ", flush=True)
        answer = os.environ.get("ANSWER", "HTTP/1.1 404 Not Found").encode()
        client.sendall(answer + b"\\r\\nContent-Length: 0\\r\\n\\r\\n") if answer else None
    if b"/die" in head:
        sys.exit(3)
    client.close()
"""
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_launch(
    process_types: Mapping[str, str],
    formation: Mapping[str, int],
    *,
    app: App | None = None,
    number: int = 1,
    restarts: int = 0,
    environ: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    memory: str = "512M",
) -> Launch:
    app = app or App(
        id=uuid4(), name="hello", owner_id=uuid4(), owner_email="admin@localhost", maintenance=False, restarts=0,
        created_at=NOW, updated_at=NOW, released_at=None, repo_size_bytes=0, slug_size_bytes=0,
    )  # fmt: skip
    slug = Slug(
        id=uuid4(), app_id=app.id, checksum="c" * 64, environment="", commit="a" * 40, commit_description="", size_bytes=1,
        process_types=process_types, buildpack_description="Python", created_at=NOW,
    )  # fmt: skip
    release = Release(
        id=uuid4(), app_id=app.id, number=number, slug_id=slug.id, process_types=process_types, description="Deploy",
        status=ReleaseStatus.PENDING, phase_passed=True, has_output=False, user_id=uuid4(), user_email="admin@localhost",
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    return Launch(
        app=replace(app, restarts=restarts), release=release, slug=slug, environ=Environ(environ or {}), formation=formation,
        settings=AppSettings(settings),
        resources=AppResources(figures={kind: {"memory": memory} for kind in process_types}),
    )  # fmt: skip


class Longest(random.Random):
    """Chance, but pauses are as long as they can be."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


@dataclass
class Room:
    """The runner and everything around it."""

    layout: Layout
    nursery: Nursery
    happened: Recorder = field(default_factory=Recorder)
    clock: PatientClock = field(default_factory=PatientClock)
    chance: random.Random = field(default_factory=Longest)
    said: list[str] = field(default_factory=list)
    app: App = field(default_factory=lambda: make_launch({}, {}).app)

    def __post_init__(self) -> None:
        self.scheduler = FakeScheduler(self.layout.dynos)
        self.traffic = FakeTraffic(self.happened)
        self.rows = FakeRows()
        self.pipes = FakePipes(self.happened)
        self.runner = self.another_runner()
        slug = self.layout.slug("c" * 64)
        slug.mkdir()
        (slug / "serve.py").write_text(SERVE_PY)

    def another_runner(self) -> Runner:
        """As the next daemon would make it."""
        return Runner(
            scheduler=self.scheduler, pipes=self.pipes, traffic=self.traffic, dynos=self.rows, layout=self.layout,
            clock=self.clock, domain="localhost",
            limits=RunLimits(run_seconds=86400.0, attach_seconds=60.0, idle_seconds=3600.0), chance=self.chance,
        )  # fmt: skip

    def launch(
        self,
        formation: Mapping[str, int] | None = None,
        *,
        web: str = SERVE,
        number: int = 1,
        restarts: int = 0,
        environ: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        memory: str = "512M",
        **others: str,
    ) -> Launch:
        """An epoch of the room's one app; keyword arguments are process types."""
        return make_launch(
            {"web": web, **others}, {"web": 1} if formation is None else formation, app=self.app, number=number,
            restarts=restarts, environ=environ, settings=settings, memory=memory,
        )  # fmt: skip

    async def deploy(self, launch: Launch) -> None:
        """What deploy.py does at the end of every story."""
        booted = await self.runner.boot_web(launch, self.said.append)
        old = await self.runner.switch(launch, booted)
        self.runner.replace_rest_soon(launch)
        self.runner.retire_soon(old)

    @property
    def states(self) -> dict[str, str]:
        return {dyno.name: dyno.state.value for dyno in self.runner.dynos(self.app.id)}

    @property
    def log(self) -> str:
        return "\n".join(self.happened.items)

    def id_of(self, name: str) -> UUID:
        return self.scheduler.named(name).dyno_id


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    layout = Layout(tmp_path)
    layout.make()
    async with Nursery("test") as nursery:
        room = Room(layout, nursery)
        async with room.runner:
            yield room
            await room.runner.stop_all()
            await room.runner.leave()  # it may be another one by now
        room.traffic.holds_drains = False
        assert room.scheduler.running == []
        assert room.rows.rows == {}
        assert list(layout.dynos.iterdir()) == []
