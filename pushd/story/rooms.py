"""The rooms as the story of a push sees them: one Protocol each; `daemon.py` passes the real ones in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol
from uuid import UUID

from pushd.kit.transcript import Transcript
from pushd.model.app import App
from pushd.model.dyno import Dyno
from pushd.model.launch import Launch
from pushd.model.resources import Resources
from pushd.model.routing import Target, WebState
from pushd.model.secret import Environ
from pushd.model.slug import Slug
from pushd.model.source import Source
from pushd.model.terminal import TerminalSize
from pushd.model.user import User

Say = Callable[[str], None]


class Built(Protocol):
    """What a build gave."""

    @property
    def slug(self) -> Slug: ...

    @property
    def buildpacks(self) -> tuple[str, ...]: ...


class Builder(Protocol):
    """Commit -> slug."""

    async def build(
        self,
        app: App,
        source: Source,
        *,
        config: Environ,
        resources: Resources,
        no_cache: bool,
        transcript: Transcript,
        buildpacks: Sequence[str],
    ) -> Built:
        """Raises: BuildFailed."""

    async def adopt(self, app: App, slug: Slug) -> Slug:
        """A slug of another app as one of this app. Raises: Conflict when it is no longer kept, DiskFull."""

    async def keep_uploaded(self, slug: Slug, archive: Path, *, limit_mb: int) -> Slug:
        """Raises: InvalidParams, NotFound."""

    async def environment_bytes(self, app: App) -> Mapping[str, int]:
        """What each environment of the app takes on the disk, by name."""

    async def prune(self, app: App, *, keep_checksums: set[str], keep_environments: set[str]) -> None:
        """Remove the app's slugs and environments that are not named."""

    async def destroy(self, app_id: UUID) -> None:
        """Remove what builds of this app left."""


class Attached(Protocol):
    """The hold of one client on a one-off dyno; bytes go straight through, as fast as the slower side takes them."""

    @property
    def user(self) -> User:
        """Who asked for it, with the token that they came with."""

    @property
    def app_id(self) -> UUID: ...

    @property
    def has_terminal(self) -> bool: ...

    async def start(self, *, merged: bool, resizable: bool) -> None:
        """Returns once the program runs. Raises: PushdError if it cannot be started."""

    async def read(self) -> tuple[int, bytes] | None:
        """The next output with its stream, 1 or 2; None once the program has ended and all was read."""

    async def write(self, data: bytes) -> None:
        """Returns once the program has taken it."""

    async def end_input(self) -> None: ...

    def resize(self, size: TerminalSize) -> None: ...

    def signal(self, number: int) -> None:
        """To all processes of the dyno."""

    async def exit_status(self) -> int: ...

    async def idle(self) -> None:
        """Returns when nothing was sent or received for too long."""

    def leave(self) -> None:
        """The client is gone: what still runs gets SIGHUP, then SIGKILL."""


class Runner(Protocol):
    """Formation -> dynos; see docs/dev/architecture.md for what each promises."""

    async def boot_web(self, launch: Launch, say: Say) -> Sequence[Dyno]: ...

    async def switch(self, launch: Launch, booted: Sequence[Dyno]) -> Sequence[Dyno]: ...

    def retire_soon(self, dynos: Sequence[Dyno]) -> None: ...

    def replace_rest_soon(self, launch: Launch) -> None: ...

    def keep_trying(self, launch: Launch, on_ready: Callable[[Launch], Awaitable[None]]) -> None: ...

    async def outdated(self) -> Collection[UUID]: ...

    async def adopt(
        self, running: Mapping[UUID, Launch], launch_of: Callable[[UUID, UUID], Awaitable[Launch | None]]
    ) -> None: ...

    def routes(self) -> Mapping[UUID, tuple[Sequence[Target], WebState]]: ...

    def serves_older(self, launch: Launch) -> bool: ...

    async def restart(self, launch: Launch, names: Sequence[str]) -> None: ...

    async def start_detached(self, launch: Launch, command: str, *, environ: Environ | None = None) -> Dyno: ...

    def start_attached(
        self, launch: Launch, command: str, user: User, *, environ: Environ | None = None, size: TerminalSize | None = None
    ) -> tuple[Dyno, str]: ...

    def start_inside(
        self,
        app_id: UUID,
        name: str,
        command: str,
        user: User,
        *,
        environ: Environ | None = None,
        size: TerminalSize | None = None,
    ) -> tuple[Dyno, str]: ...

    def maybe_claim(self, secret: str) -> Attached | None: ...

    async def stop_dynos(self, app_id: UUID, names: Sequence[str]) -> None: ...

    def dynos(self, app_id: UUID) -> list[Dyno]: ...

    async def stop_app(self, app_id: UUID) -> None: ...


class Router(Protocol):
    """What visitors see; every call returns once the router has acknowledged it."""

    async def route(self, app_id: UUID, targets: Sequence[Target], state: WebState) -> None: ...

    async def announce(self, routes: Mapping[UUID, tuple[Sequence[Target], WebState]]) -> None: ...

    async def refresh(self, app_id: UUID) -> None: ...

    async def forget(self, app_id: UUID) -> None: ...


class AppLog(Protocol):
    """Where the platform's own lines of an app go."""

    def say(self, app_id: UUID, source: str, process: str, message: str) -> None: ...

    def set_limit(self, app_id: UUID, limit_bytes: int, *, lines_per_second: int | None = None) -> None:
        """Bound what is kept on disk, and how many lines may come in a second (None: any number)."""

    async def destroy(self, app_id: UUID) -> None: ...


class Repositories(Protocol):
    """The git repositories."""

    async def destroy(self, app_id: UUID) -> None: ...

    async def size_bytes(self, app_id: UUID) -> int: ...


class Phase(Protocol):
    """The release phase."""

    async def run(self, launch: Launch, tell: Callable[[bytes], None] | None = None) -> None:
        """Raises: ReleasePhaseFailed."""
