"""A real aiohttp server with the receiver in it, the real `git` as its client, and fakes of the rooms behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from pushd.access.access import Access
from pushd.access.slowdown import Slowdown
from pushd.access.standing import Standing
from pushd.api.strangers import Strangers
from pushd.errors import NotFound
from pushd.kit.aio import Nursery, in_thread
from pushd.kit.clock import SystemClock
from pushd.kit.transcript import Transcript
from pushd.layout import Layout
from pushd.model.app import App
from pushd.model.app_settings import AppSettings
from pushd.model.source import Source
from pushd.model.user import Scope, User
from pushd.receiver.http import add_routes
from pushd.receiver.receiver import Receiver
from pushd.receiver.repositories import Repositories, Repository
from pushd.settings import Settings
from tests.fakes import InstantClock, settings_in

TOKEN, STRANGERS_TOKEN = "a-token-nobody-guesses", "a-token-of-somebody-else"
READING_TOKEN = "a-token-that-only-reads"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
STRANGER = User(id=UUID(int=2), email="s@localhost", is_operator=False, created_at=NOW, updated_at=NOW)
OPERATOR = User(id=UUID(int=1), email="admin@localhost", is_operator=True, created_at=NOW, updated_at=NOW)


class FakeUsers:
    """An operator with a token and one that only reads, and a stranger with one; `gone` takes the operator's account away."""

    def __init__(self) -> None:
        self.gone = False

    async def by_token(self, token: str) -> User | None:
        if token == STRANGERS_TOKEN:
            return STRANGER
        if token == READING_TOKEN:
            return replace(OPERATOR, scopes=frozenset({Scope.READ}))
        return OPERATOR if token == TOKEN and not self.gone else None

    async def by_token_hash(self, wanted: bytes) -> User | None:
        return None

    async def maybe_by_id(self, user_id: str | UUID) -> User | None:
        return OPERATOR if user_id == OPERATOR.id and not self.gone else None

    async def password_of(self, email: str) -> tuple[User | None, str | None]:
        return None, None

    async def operator(self) -> User:
        return OPERATOR


class FakeApps:
    """Apps by name, and their settings."""

    def __init__(self) -> None:
        self.known: dict[str, App] = {}
        self.stored: dict[UUID, dict[str, str]] = {}

    def add(self, name: str) -> App:
        app = App(
            id=uuid4(), name=name, owner_id=OPERATOR.id, owner_email=OPERATOR.email, maintenance=False, restarts=0,
            created_at=NOW, updated_at=NOW, released_at=None, repo_size_bytes=0, slug_size_bytes=0,
        )  # fmt: skip
        self.known[name] = app
        return app

    async def find(self, name_or_id: str | UUID) -> App:
        for name, app in self.known.items():
            if name_or_id in (name, app.id):
                return app
        raise NotFound("Couldn't find that app.", resource="app")

    async def set_sizes(self, app: App, *, repo_size_bytes: int | None = None) -> App:
        await self.find(app.name)
        self.known[app.name] = replace(app, repo_size_bytes=repo_size_bytes or 0)
        return self.known[app.name]

    async def of(self, app: App) -> AppSettings:
        return AppSettings(self.stored.get(app.id, {}))


@dataclass
class Deployed:
    """What one deploy was asked to do, and the tree that it saw."""

    app: App
    commit: str
    description: str
    branch: str
    no_cache: bool
    user: User
    folder: Path


Script = Callable[[Transcript], Awaitable[None]]


@dataclass
class FakeDeploys:
    """Checks out and does what `script` says; as the real one, one push at a time."""

    folder: Path
    done: list[Deployed] = field(default_factory=list)
    script: Script | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def push(
        self, app: App, source: Source, *, user: User, branch: str, no_cache: bool, transcript: Transcript
    ) -> object:
        async with self.turn:
            folder = self.folder / str(uuid4())
            folder.mkdir(parents=True)
            transcript.say("-----> Building")
            await source.checkout(folder)
            if self.script is not None:
                await self.script(transcript)
            self.done.append(Deployed(app, source.commit, source.description, branch, no_cache, user, folder))
            transcript.say("-----> Done")
        return object()


@dataclass
class Ran:
    """How a program ended."""

    code: int
    out: str
    err: str


class Git:
    """A working copy and the real git program, with nobody's configuration."""

    def __init__(self, folder: Path, program: str = "git") -> None:
        self.folder = folder
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder.parent),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org",
        }  # fmt: skip
        self._program = program

    async def start(self, *arguments: str | bytes) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            self._program, *arguments, cwd=self.folder, env=self.environ,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip

    async def __call__(self, *arguments: str | bytes, stdin: bytes = b"") -> Ran:
        child = await self.start(*arguments)
        out, err = await child.communicate(stdin or None)
        assert child.returncode is not None
        return Ran(child.returncode, out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "replace"))

    async def ok(self, *arguments: str | bytes, stdin: bytes = b"") -> str:
        """Its output, without the last newline; the test fails if git does."""
        ran = await self(*arguments, stdin=stdin)
        assert ran.code == 0, ran.err
        return ran.out.removesuffix("\n")

    async def commit(self, files: Mapping[str, str | bytes] | None = None, message: str = "a commit") -> str:
        """Commit these files, or an empty commit; its id."""
        for name, content in (files or {}).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        await self.ok("add", "-A")
        await self.ok("commit", "-q", "--allow-empty", "-m", message)
        return await self.ok("rev-parse", "HEAD")


async def until(condition: Callable[[], bool]) -> None:
    """Let everybody else run until it holds."""
    for _ in iter(condition, True):
        await asyncio.sleep(0)


class FakeAudit:
    """Keeps what is noted, in words."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    async def begin(self, user: User, *, action: str, source: str, app: App | None = None) -> int:
        self.entries.append(f"{user.email} {action} {app.name if app else ''} from {source}")
        return len(self.entries) - 1

    async def end(self, seq: int, outcome: str, details: Mapping[str, object]) -> None:
        self.entries[seq] += f": {outcome} {' '.join(details)}"


class Server:
    """The receiver behind a real listener, and what a test wants to know of it."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root = root
        self.layout = Layout(settings.data_dir)
        self.layout.make()
        self.users = FakeUsers()
        self.apps = FakeApps()
        self.app = self.apps.add("myapp")
        self.deploys = FakeDeploys(root / "deployed")
        self.nursery = Nursery("tests")
        self.repositories = Repositories(self.layout)
        self.audit = FakeAudit()
        access = Access(self.users, slowdown=Slowdown(InstantClock()))
        self._on_write: list[Callable[[], None]] = []
        self.strangers = Strangers()
        self.standing = Standing(access, self.apps, SystemClock(), self._tell)
        self.receiver = Receiver(
            layout=self.layout,
            repositories=self.repositories,
            apps=self.apps,
            app_settings=self.apps,
            access=access,
            standing=self.standing,
            deploys=self.deploys,  # type: ignore[arg-type]
            settings=settings,
            nursery=self.nursery,
            audit=self.audit,
        )
        self.port = 0

    def _tell(self, told: Callable[[], None]) -> Callable[[], None]:
        self._on_write.append(told)
        return lambda: self._on_write.remove(told)

    def end_user(self) -> None:
        """Take the operator's account away, as a transaction of the store does."""
        self.users.gone = True
        for told in self._on_write:
            told()

    @property
    def url(self) -> str:
        """With the token in it; no credential helper asks anything."""
        return f"http://x:{TOKEN}@127.0.0.1:{self.port}/myapp.git"

    @property
    def repository(self) -> Repository:
        return Repository(self.layout.repository(self.app.id))

    async def refs(self) -> dict[str, str]:
        return await in_thread(self.repository.refs) if self.repository.folder.exists() else {}

    def set(self, **settings: str) -> None:
        """Per-app settings; underscores stand for dashes."""
        self.apps.stored[self.app.id] = {name.replace("_", "-"): text for name, text in settings.items()}

    def leftovers(self) -> list[Path]:
        """What pushes on their way have made and not yet removed."""
        return [*self.repository.quarantines.glob("*"), *self.layout.outputs(self.app.id).glob("pushes/*")]

    async def assert_clean(self) -> None:
        """Nothing of any push is left but what was accepted."""
        await self.nursery.settle()
        assert self.leftovers() == []
        names = {file.suffix for file in (self.repository.objects / "pack").glob("*")}
        assert names <= {".pack", ".idx", ".rev"}


MakeServer = Callable[..., Awaitable[Server]]


@pytest.fixture
async def make_server(tmp_path: Path) -> AsyncIterator[MakeServer]:
    """Starts servers with these settings; all end with the test."""
    runners: list[tuple[web.AppRunner, Server]] = []

    async def make(*, auto_decompress: bool = True, **settings: object) -> Server:
        server = Server(tmp_path, settings_in(tmp_path / "data", **settings))
        application = web.Application(client_max_size=1000)
        add_routes(application, server.receiver, server.strangers)
        runner = web.AppRunner(application, shutdown_timeout=1.0, auto_decompress=auto_decompress)
        await runner.setup()
        runners.append((runner, server))
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.port = runner.addresses[0][1]
        server.standing.start()
        return server

    yield make
    for runner, server in runners:
        await server.nursery.close()
        await server.standing.close()
        await runner.cleanup()
        server.strangers.close()


@pytest.fixture
async def server(make_server: MakeServer) -> Server:
    return await make_server()


@pytest.fixture
async def git(tmp_path: Path) -> Git:
    """An empty working copy on `master`."""
    folder = tmp_path / "work"
    folder.mkdir()
    git = Git(folder)
    await git.ok("init", "-q", "-b", "master")
    return git
