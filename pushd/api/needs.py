"""What the API needs of others, and the typed keys under which its handlers find it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from aiohttp import web

from pushd.access.access import Access
from pushd.access.logins import Logins
from pushd.access.rates import Rates
from pushd.access.standing import Standing
from pushd.api.signed import Signer
from pushd.api.strangers import Strangers
from pushd.api.streams import Streams
from pushd.kit.clock import Clock
from pushd.model.app import App
from pushd.model.build import Build
from pushd.model.certificate import SniEndpoint
from pushd.model.change import Change
from pushd.model.collaborator import Collaborator
from pushd.model.domain import Domain
from pushd.model.drain import Drain
from pushd.model.dyno import Dyno
from pushd.model.formation import ProcessFormation, Scale
from pushd.model.logline import LogLine
from pushd.model.pipeline import Pipeline, Promotion
from pushd.model.protection import Protection
from pushd.model.release import Release
from pushd.model.resources import DynoSize
from pushd.model.secret import Environ
from pushd.model.terminal import TerminalSize
from pushd.model.user import User
from pushd.store.store import Store
from pushd.story.disk_usage import DiskUsage
from pushd.story.rooms import Attached
from pushd.story.slug_uploads import SlugUploads
from pushd.story.source_builds import SourceBuilds
from pushd.story.uploads import Uploads


class Deploys(Protocol):
    """Changes that dynos follow; each answers once it is stored. A Change of None means nothing has to boot."""

    async def set_config(self, app: App, changes: Mapping[str, str | None], user: User) -> tuple[Environ, Change | None]: ...

    async def rollback(self, app: App, to: str | None, user: User) -> tuple[Release, Change | None]: ...

    async def release_slug(self, app: App, slug_id: str, description: str, user: User) -> tuple[Release, Change | None]: ...

    async def cancel_build(self, app: App, build_id: str, user: User) -> Build:
        """Returns once its end is stored. Raises: Conflict when it is too late."""

    async def wait_change(self, change_id: UUID, within: float) -> Change: ...


class Dynos(Protocol):
    """The same for what is asked of the dynos of the release that runs."""

    def of(self, app: App) -> list[Dyno]: ...

    async def scale(
        self, app: App, scales: Sequence[Scale], user: User, sizes: Mapping[str, DynoSize]
    ) -> tuple[list[ProcessFormation], Change | None]: ...

    async def set_resources(self, app: App, type: str, changes: Mapping[str, str | None], user: User) -> Change | None: ...

    async def restart(self, app: App, *, user: User, type: str | None = None, name: str | None = None) -> Change | None: ...

    async def stop(self, app: App, *, user: User, type: str | None = None, name: str | None = None) -> Change | None: ...


class Apps(Protocol):
    """What concerns an app as a whole."""

    async def create(self, name: str | None, user: User) -> App: ...

    async def rename(self, app: App, name: str, user: User) -> App: ...

    async def set_maintenance(self, app: App, on: bool, user: User) -> App:
        """Returns once visitors see it."""

    async def set_settings(self, app: App, changes: Mapping[str, str | None], user: User) -> None: ...

    async def destroy(self, app: App) -> None: ...


class Belongings(Protocol):
    """What an app has beside its releases. Visitors see what concerns them when a call returns."""

    async def add_domain(self, app: App, hostname: str, endpoint: str | None, user: User) -> Domain: ...

    async def bind_domain(self, app: App, which: str, endpoint: str | None, user: User) -> Domain: ...

    async def remove_domain(self, app: App, which: str, user: User) -> Domain: ...

    async def add_certificate(self, app: App, chain: str, key: str, user: User) -> SniEndpoint: ...

    async def update_certificate(self, app: App, which: str, chain: str, key: str, user: User) -> SniEndpoint: ...

    async def remove_certificate(self, app: App, which: str, user: User) -> SniEndpoint: ...

    async def add_collaborator(self, app: App, email_or_id: str, user: User, *, known_only: bool) -> Collaborator:
        """`known_only`: who has no account yet gets none by this."""

    async def remove_collaborator(self, app: App, which: str, user: User) -> Collaborator: ...

    async def add_drain(self, app: App, url: str, user: User) -> Drain: ...

    async def remove_drain(self, app: App, which: str, user: User) -> Drain: ...


class Promotions(Protocol):
    """Carries a release of one app to others of its pipeline."""

    async def promote(
        self, pipeline: Pipeline, source: App, release_id: str | None, targets: Sequence[App], user: User
    ) -> Promotion:
        """Answers once it is stored; each target tells how it fares."""

    async def find(self, promotion_id: str) -> Promotion: ...


class Runs(Protocol):
    """One-off dynos."""

    async def detached(self, app: App, command: str, environ: Environ, user: User, dyno_size: DynoSize | None) -> Dyno: ...

    async def attached(
        self,
        app: App,
        command: str,
        environ: Environ,
        user: User,
        size: TerminalSize | None,
        dyno_size: DynoSize | None,
    ) -> tuple[Dyno, str]:
        """A dyno that waits for its client, and the secret that the client comes with."""

    async def inside(
        self, app: App, name: str, command: str, environ: Environ, user: User, size: TerminalSize | None
    ) -> tuple[Dyno, str]:
        """The same where the dyno of this name runs."""

    def maybe_claim(self, secret: str) -> Attached | None:
        """The dyno that waits for this secret, once."""


class Outputs(Protocol):
    """Build and release phase output, live while it is written; None when there is none (yet)."""

    def of_build(self, app_id: UUID, build_id: UUID) -> AsyncIterator[bytes] | None: ...

    def of_release(self, app_id: UUID, release_id: UUID) -> AsyncIterator[bytes] | None: ...


class Tails(Protocol):
    """App log lines as they come, some at a time and oldest first; none are a moment for a heartbeat."""

    def tail(
        self,
        app_id: UUID,
        *,
        lines: int,
        process: str | None,
        source: str | None,
        follow: bool,
        after: str | None,
    ) -> AsyncIterator[Sequence[LogLine]]: ...


class Still(Protocol):
    """The door that was passed, to be asked once more."""

    async def __call__(self) -> None:
        """Raises: NotFound, as the door does, for who may not be here any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Facts about this server that answers contain."""

    version: str
    domain: str  # apps are reached at <app>.<domain>
    web_url_of: Callable[[App], str]  # the URL visitors use
    body_limit_bytes: int
    buildpacks: tuple[str, ...]  # names of the folders of those that are installed
    started_at: datetime
    protections: tuple[Protection, ...]  # what keeps apps apart here
    ssh_url: str | None = None  # None: it takes none
    ssh_host_key: str | None = None  # the line of its public key


STORE = web.AppKey("store", Store)
ACCESS = web.AppKey("access", Access)
RATES = web.AppKey("rates", Rates)
LOGINS = web.AppKey("logins", Logins)
DEPLOYS = web.AppKey("deploys", Deploys)
DYNOS = web.AppKey("dynos", Dynos)
APPS = web.AppKey("apps", Apps)
BELONGINGS = web.AppKey("belongings", Belongings)
PROMOTIONS = web.AppKey("promotions", Promotions)
RUNS = web.AppKey("runs", Runs)
OUTPUTS = web.AppKey("outputs", Outputs)
UPLOADS = web.AppKey("uploads", Uploads)
SOURCE_BUILDS = web.AppKey("source_builds", SourceBuilds)
SLUG_UPLOADS = web.AppKey("slug_uploads", SlugUploads)
TAILS = web.AppKey("tails", Tails)
DISK_USAGE = web.AppKey("disk_usage", DiskUsage)
CLOCK = web.AppKey("clock", Clock)
SITE = web.AppKey("site", Site)
SIGNER = web.AppKey("signer", Signer)
STREAMS = web.AppKey("streams", Streams)
STRANGERS = web.AppKey("strangers", Strangers)
AUTHORITY = web.AppKey("authority", Path)  # the CA that signed our certificate; the server sets it

STANDING = web.AppKey("standing", Standing)

APP = web.RequestKey("app", App)
USER = web.RequestKey("user", User)
CLAIMS: web.RequestKey[Mapping[str, Any]] = web.RequestKey("claims", Mapping)  # what a signed URL says
BODY = web.RequestKey("body", bytes)  # once the door has taken it in
STILL = web.RequestKey("still", Still)
DETAILS: web.RequestKey[dict[str, Any]] = web.RequestKey("details", dict)  # of what is done, for the audit trail
REMAINING = web.RequestKey("remaining", int)  # calls that are left to the user
