"""The SSH server on a free port, the real `ssh` as its client; commands are shell lines here, and git is a fake."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import shlex
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncssh
import pytest

from pushd.access.sessions import Sessions
from pushd.kit.listen import bind
from pushd.model.user import User
from pushd.sandbox.argv import Way
from pushd.sandbox.sandbox import Sandbox
from pushd.ssh.channel import Channel
from pushd.ssh.host_key import open_host_key
from pushd.ssh.programs import Programs
from pushd.ssh.server import SshServer
from tests.fakes import USER

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = (("ed25519", ""), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("rsa", "2048"))
SHELL = ("/bin/sh", "-c", """words=$(tr '\\0' ' ' <&"$0"); eval "exec $0<&-"; eval "$words" """)


class People:
    """Who has which key: the two parts of the store that sessions ask."""

    def __init__(self) -> None:
        self.owners: dict[bytes, User] = {}
        self.told: list[Callable[[], None]] = []

    def add(self, public_key: str, email: str = "ada@example.com") -> User:
        """The line of a .pub file becomes this person's key."""
        known = {user.email: user for user in self.owners.values()}
        user = known.get(email) or User(id=uuid4(), email=email, is_operator=False, created_at=NOW, updated_at=NOW)
        self.owners[data_of(public_key)] = user
        return user

    def on_write(self, told: Callable[[], None]) -> Callable[[], None]:
        self.told.append(told)
        return lambda: self.told.remove(told)

    def remove_all(self) -> None:
        """Nobody has a key any more, and the store says that something was written."""
        self.owners.clear()
        for told in self.told:
            told()

    async def maybe_owner(self, public_data: bytes) -> object:
        user = self.owners.get(public_data)
        return None if user is None else user.id

    async def maybe_by_id(self, user_id: str | UUID) -> User | None:
        return next((user for user in self.owners.values() if user.id == user_id), None)


class FakeGit:
    """Says what it was asked for, then sends back what comes, in capitals."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.fails: Exception | None = None

    async def __call__(self, user: User, service: str, app: str, channel: Channel) -> int:
        self.asked.append((user.email, service, app))
        if self.fails is not None:
            raise self.fails
        while data := await channel.read():
            await channel.write(data.upper())
        return 5


@dataclass
class Ran:
    """How a program ended."""

    code: int
    out: str
    err: str


@dataclass
class Door:
    """The server, and the real `ssh` with a home of its own."""

    server: SshServer
    port: int
    people: People
    git: FakeGit
    sessions: Sessions
    programs: Programs
    home: Path
    key: Path
    host_key: asyncssh.SSHKey
    options: list[str] = field(default_factory=list)

    def argv(self, *words: str, key: Path | None = None, options: Sequence[str] = ()) -> list[str]:
        known = self.home / "known_hosts"
        known.write_text(f"[127.0.0.1]:{self.port} {self.host_key.export_public_key().decode()}")
        settings = ["StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}", "IdentitiesOnly=yes", "IdentityAgent=none"]
        flags = [flag for setting in settings for flag in ("-o", setting)]
        where = ["-i", str(key or self.key), "-p", str(self.port)]
        return ["ssh", "-F", "/dev/null", *flags, *where, *options, "git@127.0.0.1", *words]

    async def start(self, *words: str, key: Path | None = None, options: Sequence[str] = ()) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self.argv(*words, key=key, options=options), env={"PATH": os.environ["PATH"], "HOME": str(self.home)},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip

    async def __call__(self, *words: str, stdin: bytes = b"", key: Path | None = None, options: Sequence[str] = ()) -> Ran:
        child = await self.start(*words, key=key, options=options)
        out, err = await child.communicate(stdin)
        assert child.returncode is not None
        return Ran(child.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))

    def connect(self, **options: object) -> asyncssh.connection._ACMWrapper[asyncssh.SSHClientConnection]:
        """A client in this process, for what `ssh` does not do."""
        wanted = {"client_keys": [str(self.key)], "known_hosts": None, "username": "git", "config": None, "agent_path": None}
        return asyncssh.connect("127.0.0.1", self.port, **{**wanted, **options})  # type: ignore[arg-type]


MakeDoor = Callable[..., Awaitable[Door]]


def data_of(public_key: str) -> bytes:
    return base64.b64decode(public_key.split()[1])


def fingerprint_of(public_key: str) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(data_of(public_key)).digest()).decode().rstrip("=")


async def until(look: Callable[[], bool]) -> None:
    """Ask again and again, while everybody else goes on; pytest's own limit ends a test that waits in vain."""
    for _ in iter(look, True):
        await asyncio.sleep(0)


def script(text: str) -> str:
    """A shell script as one word: SSH and this server read quotes once each, and the shell behind them wants its own."""
    return shlex.quote(text)


def make_key(file: Path, kind: str = "ed25519", bits: str = "") -> Path:
    """A new pair of keys; the public one is beside it, with .pub."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, *(["-b", bits] if bits else []), "-N", "", "-C", kind, "-f", str(file)], check=True
    )
    return file


def public(key: Path) -> str:
    return key.with_name(f"{key.name}.pub").read_text()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of each kind, and a stranger's."""
    folder = tmp_path_factory.mktemp("keys")
    made = {f"{kind}{bits}": make_key(folder / f"{kind}{bits}", kind, bits) for kind, bits in KINDS}
    return {**made, "stranger": make_key(folder / "stranger")}


@pytest.fixture
async def make_door(tmp_path: Path, keys: dict[str, Path]) -> AsyncIterator[MakeDoor]:
    """Starts servers; all end with the test."""
    made: list[SshServer] = []

    async def make(*, sandbox: Sandbox | None = None, client: Sequence[str] = SHELL, at_once: int = 4) -> Door:
        home, run = tmp_path / "home", tmp_path / "run"
        home.mkdir()
        run.mkdir()
        people, git = People(), FakeGit()
        sessions = Sessions(people, people)  # type: ignore[arg-type]
        programs = Programs(
            sandbox=sandbox or Sandbox(Way()), folder=run / "ssh", api="http://127.0.0.1:9", at_once=at_once, client=client,
            user=USER,
        )  # fmt: skip
        server = SshServer(keys=sessions, git=git, programs=programs, on_write=people.on_write)
        listening = bind("127.0.0.1:0")
        port = listening.getsockname()[1]
        host_key = open_host_key(tmp_path / "ssh_host_key")
        await server.start(listening, host_key)
        made.append(server)
        people.add(public(keys["ed25519"]))
        return Door(server, port, people, git, sessions, programs, home, keys["ed25519"], host_key)

    yield make
    for server in made:
        await server.stop(grace_seconds=0)


@pytest.fixture
async def door(make_door: MakeDoor) -> Door:
    return await make_door()
