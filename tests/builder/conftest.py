"""A builder with real sandbox, real uv and a package index on this machine; the store's slugs are a list."""

from __future__ import annotations

import asyncio
import re
import shutil
import threading
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from pushd.builder.builder import Builder, BuildLimits, Built
from pushd.builder.fetching import Fetcher
from pushd.builder.tools import Tools
from pushd.errors import Conflict, PushdError
from pushd.kit.disk import Room, room_of
from pushd.kit.reach import Reach
from pushd.kit.transcript import Transcript
from pushd.layout import Layout
from pushd.model.app import App
from pushd.model.resources import BUILD, AppResources
from pushd.model.secret import Environ
from pushd.model.slug import Slug, SlugState
from pushd.sandbox.sandbox import Sandbox
from pushd.sandbox.view import View
from pushd.shipped import shipped
from pushd.story.disk import DiskReserve
from pushd.surroundings import process_environ
from tests.fakes import FakeClock, FixedUids

FIXTURE_APPS = Path(__file__).parents[1] / "fixtures" / "apps"
GOLDEN = Path(__file__).parents[1] / "golden" / "build"
COMMIT = "1a2b3c4d" * 5


class ListOfSlugs:
    """What the builder needs of the store."""

    def __init__(self) -> None:
        self.stored: list[Slug] = []

    async def create(self, slug: Slug) -> Slug:
        self.stored.append(slug)
        return slug

    async def fill(self, slug: Slug) -> Slug:
        if not any(each.id == slug.id and each.state is SlugState.AWAITED for each in self.stored):
            raise Conflict("This slug has its archive already.")
        self.stored = [slug if each.id == slug.id else each for each in self.stored]
        return slug

    async def list(self, app: App) -> Sequence[Slug]:
        return [slug for slug in self.stored if slug.app_id == app.id]

    async def delete(self, slug: Slug) -> None:
        self.stored.remove(slug)

    async def is_kept(self, slug: Slug) -> bool:
        return slug in self.stored

    async def checksums_in_use(self) -> Collection[str]:
        return {slug.checksum for slug in self.stored}

    async def environments_in_use(self, app_id: UUID) -> Collection[str]:
        return {slug.environment for slug in self.stored if slug.app_id == app_id}


@dataclass
class Files:
    """A commit: a fixture app, files over it (None: not there), links and exec bits."""

    fixture: str = ""
    files: Mapping[str, str | bytes | None] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    executable: Collection[str] = ()
    commit: str = COMMIT
    description: str = "Say hello"

    async def checkout(self, folder: Path) -> None:
        if self.fixture:
            shutil.copytree(FIXTURE_APPS / self.fixture, folder, dirs_exist_ok=True, symlinks=True)
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        for name, target in self.links.items():
            (folder / name).symlink_to(target)
        for name in self.executable:
            (folder / name).chmod(0o755)


@dataclass(frozen=True)
class AtOnce:
    """The sandbox, without the low priority of builds: the other tests of this machine would hold them up."""

    sandbox: Sandbox

    async def run(self, view: View, argv: Sequence[str], *, on_output: Callable[[bytes], None], within: float) -> int:
        view = replace(view, limits=replace(view.limits, low_priority=False))
        return await self.sandbox.run(view, argv, on_output=on_output, within=within)


@dataclass
class Workplace:
    """Builds apps and keeps what was said: `said` is the output of the last build."""

    layout: Layout
    sandbox: Sandbox
    tools: Tools
    passthrough: dict[str, str]
    app: App
    slugs: ListOfSlugs = field(default_factory=ListOfSlugs)
    buildpacks: Path = field(default_factory=lambda: shipped("buildpacks"))
    limits: BuildLimits = field(default_factory=lambda: BuildLimits(source_seconds=60, compile_seconds=60))
    look: Callable[[Path], Room] = room_of
    reserve_bytes: int = 0
    caches_kept_bytes: int = 1 << 60
    reach: Reach = field(default_factory=Reach)
    said: str = ""

    def __post_init__(self) -> None:
        self.builder = self.new_builder()

    @property
    def fetcher(self) -> Fetcher:
        return Fetcher(layout=self.layout, reach=self.reach, git=shutil.which("git"), environ={}, within_seconds=60)

    @property
    def room(self) -> DiskReserve:
        return DiskReserve(self.layout.data, self.reserve_bytes, look=self.look)

    def new_builder(self) -> Builder:
        return Builder(
            layout=self.layout,
            sandbox=AtOnce(self.sandbox),
            uids=FixedUids(self.sandbox),
            slugs=self.slugs,
            clock=FakeClock(),
            tools=self.tools,
            fetcher=self.fetcher,
            buildpacks=self.buildpacks,
            passthrough=self.passthrough,
            limits=self.limits,
            room=self.room,
            caches_kept_bytes=self.caches_kept_bytes,
        )

    async def build(
        self,
        source: Files,
        *,
        config: Mapping[str, str] | None = None,
        limits: Mapping[str, str] | None = None,
        no_cache: bool = False,
        buildpacks: Sequence[str] = (),
        app: App | None = None,
    ) -> Built:
        transcript = Transcript(self.layout.data / "outputs" / f"{uuid4()}.txt")
        try:
            return await self.builder.build(
                app or self.app,
                source,
                config=Environ(config),
                resources=AppResources(figures={BUILD: limits or {}}).of_build(),
                no_cache=no_cache,
                transcript=transcript,
                buildpacks=buildpacks,
            )
        finally:
            transcript.close()
            self.said = transcript.path.read_text()

    async def refused(self, source: Files, **options: object) -> PushdError:
        """The error that the build must end with; checks that it left nothing behind."""
        with pytest.raises(PushdError) as caught:
            await self.build(source, **options)  # type: ignore[arg-type]
        self.check_clean()
        return caught.value

    def check_clean(self) -> None:
        assert not list((self.layout.slugs / ".builds").glob("*")), "a build folder is left"
        on_shelf = {path.name for path in self.layout.slugs.iterdir() if not path.name.startswith(".")}
        assert on_shelf == {slug.checksum for slug in self.slugs.stored}

    def folder(self, built: Built) -> Path:
        return self.layout.slug(built.slug.checksum)

    def environment(self, built: Built) -> Path:
        return self.layout.environment(built.slug.app_id, built.slug.environment)


@pytest.fixture(scope="session")
def package_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a package index that holds greeter 1.0 and 2.0, and something called django."""
    top = tmp_path_factory.mktemp("index")
    for version in ("1.0", "2.0"):
        _write_wheel(top / "simple" / "greeter", "greeter", version, module="greeter.py")
    _write_wheel(top / "simple" / "django", "django", "1.0", module="django/__init__.py")
    handler = partial(_QuietHandler, directory=str(top))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="package index")
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def sandbox(probed: Sandbox) -> Sandbox:
    return probed


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox, package_index: str) -> Workplace:
    """One that has built an app: what uv and the buildpack found out about this machine is in its caches."""
    workplace = make_workplace(tmp_path_factory.mktemp("warm"), sandbox, package_index)
    asyncio.run(workplace.build(Files(files={"requirements.txt": "greeter==1.0\n", "Procfile": "web: greeter\n"})))
    return workplace


@pytest.fixture
def workplace(tmp_path: Path, sandbox: Sandbox, package_index: str, warm: Workplace) -> Workplace:
    """One whose apps have built nothing; each build would try all interpreters first, so copies of warm caches are there."""
    workplace = make_workplace(tmp_path / "data", sandbox, package_index)
    for app in (make_app(), make_app(2)):
        shutil.copytree(warm.layout.cache(warm.app.id), workplace.layout.cache(app.id))
        cache = workplace.layout.environments(app.id) / ".cache"
        shutil.copytree(warm.layout.environments(warm.app.id) / ".cache", cache, symlinks=True)
    return workplace


def make_workplace(data: Path, sandbox: Sandbox, package_index: str) -> Workplace:
    layout = Layout(data)
    layout.make()
    return Workplace(
        layout=layout,
        sandbox=sandbox,
        tools=Tools.find(process_environ()),
        passthrough={"UV_DEFAULT_INDEX": package_index, "UV_HTTP_TIMEOUT": "10"},
        app=make_app(),
    )


def make_app(number: int = 1) -> App:
    now = FakeClock().now()
    return App(
        id=UUID(int=number),
        name=f"app-{number}",
        owner_id=UUID(int=9),
        owner_email="admin@localhost",
        maintenance=False,
        restarts=0,
        created_at=now,
        updated_at=now,
        released_at=None,
        repo_size_bytes=0,
        slug_size_bytes=0,
    )


def scrub(text: str) -> str:
    """Build output without what differs from run to run, from machine to machine, and from one uv to the next."""
    text = re.sub(r"(with uv) \S+\n(       .*\n|\n(?= {7}))+", r"\1 X.Y.Z\n       (uv's own words)\n", text)
    text = re.sub(r"Using Python 3\.\d+\.\d+", "Using Python 3.X.Y", text)
    text = re.sub(r"Installed: 3\.[\d., ]+\d", "Installed: 3.X.Y", text)
    return re.sub(r"Slug is .*", "Slug is N KB", text)


def check_golden(name: str, text: str) -> None:
    """Compare with tests/golden/build/<name>; PUSHD_GOLDEN=write writes it instead."""
    path = GOLDEN / name
    if process_environ().get("PUSHD_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(scrub(text))
    assert scrub(text) == path.read_text()


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """The index says nothing."""


def _write_wheel(folder: Path, name: str, version: str, *, module: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(module, f'GREETING = "hello {version}"\n')
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        wheel.writestr(f"{info}/RECORD", "")
