"""What an app has beside its releases, and how it changes: domains, certificates, collaborators, drains."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from pushd.errors import InvalidParams
from pushd.kit.aio import in_thread
from pushd.kit.clock import Clock
from pushd.kit.crash import crash_point
from pushd.kit.trust import machine_roots
from pushd.model.app import App, invent_app_name
from pushd.model.certificate import SniEndpoint
from pushd.model.collaborator import Collaborator, parse_email
from pushd.model.domain import Domain, default_hostname, parse_hostname
from pushd.model.drain import Drain, parse_drain_url
from pushd.model.logline import APP
from pushd.model.pem import Pair, parse_pair
from pushd.model.user import User
from pushd.store.store import Store
from pushd.story.disk import DiskReserve
from pushd.story.rooms import AppLog, Router


class Belongings:
    """One per daemon. Every change is stored first; what visitors see of it is acknowledged by the router when it returns."""

    def __init__(
        self,
        *,
        store: Store,
        router: Router,
        app_log: AppLog,
        disk: DiskReserve,
        clock: Clock,
        domain: str,
        roots: Callable[[], Sequence[bytes]] = machine_roots,
    ) -> None:
        self._store = store
        self._router = router
        self._log = app_log
        self._disk = disk
        self._clock = clock
        self._domain = domain
        self._roots = roots  # a certificate is shown as trusted if one of these has signed it
        self._chance = random.SystemRandom()

    # --- domains ------------------------------------------------------------------------------------------------------

    async def add_domain(self, app: App, hostname: str, endpoint: str | None, user: User) -> Domain:
        """Visitors of that name reach the app when this returns. Raises: InvalidParams, NotFound for the endpoint."""
        self._disk.check()
        wanted = parse_hostname(hostname, server_domain=self._domain)
        domain = await self._store.domains.add(app, wanted, endpoint)
        crash_point("domain.added")
        await self._router.refresh(app.id)
        self._tell(app, f"Add domain {domain.hostname}", user)
        return domain

    async def bind_domain(self, app: App, which: str, endpoint: str | None, user: User) -> Domain:
        """Another certificate for a domain, or none. Raises: NotFound for either."""
        self._check_custom(app, which)
        domain = await self._store.domains.bind(app, which, endpoint)
        crash_point("domain.bound")
        await self._router.refresh(app.id)
        self._tell(app, f"Update domain {domain.hostname} to use {domain.endpoint_name or 'no certificate'}", user)
        return domain

    async def remove_domain(self, app: App, which: str, user: User) -> Domain:
        """Raises: NotFound; InvalidParams for the default domain."""
        self._check_custom(app, which)
        domain = await self._store.domains.remove(app, which)
        crash_point("domain.removed")
        await self._router.refresh(app.id)
        self._tell(app, f"Remove domain {domain.hostname}", user)
        return domain

    def _check_custom(self, app: App, which: str) -> None:
        if which.lower().removesuffix(".") == default_hostname(app.name, self._domain):
            raise InvalidParams(
                f"{default_hostname(app.name, self._domain)} is the app's default domain and stays.",
                remedy="apps:rename changes it.",
            )

    # --- certificates -------------------------------------------------------------------------------------------------

    async def add_certificate(self, app: App, chain: str, key: str, user: User) -> SniEndpoint:
        """Under a name made up. Raises: InvalidParams that says what is wrong with the chain or the key."""
        self._disk.check()
        pair = await in_thread(self._read_pair, chain, key)
        endpoint = await self._store.sni_endpoints.add(app, invent_app_name(self._chance), pair)
        self._tell(app, f"Add SSL certificate {endpoint.name}", user)
        return endpoint

    async def update_certificate(self, app: App, which: str, chain: str, key: str, user: User) -> SniEndpoint:
        """A new certificate under the same name, for the same domains. Raises: NotFound, InvalidParams."""
        self._disk.check()
        found = await self._store.sni_endpoints.find(app, which)
        pair = await in_thread(self._read_pair, chain, key)
        endpoint = await self._store.sni_endpoints.update(app, found, pair)
        crash_point("certificate.updated")
        await self._router.refresh(app.id)
        self._tell(app, f"Update SSL certificate {endpoint.name}", user)
        return endpoint

    async def remove_certificate(self, app: App, which: str, user: User) -> SniEndpoint:
        """Its domains stay, without a certificate. Raises: NotFound."""
        endpoint = await self._store.sni_endpoints.remove(app, which)
        crash_point("certificate.removed")
        await self._router.refresh(app.id)
        self._tell(app, f"Remove SSL certificate {endpoint.name}", user)
        return endpoint

    def _read_pair(self, chain: str, key: str) -> Pair:
        return parse_pair(chain, key, roots=self._roots(), now=self._clock.now())

    # --- collaborators ------------------------------------------------------------------------------------------------

    async def add_collaborator(self, app: App, email_or_id: str, user: User, *, known_only: bool) -> Collaborator:
        """Share the app, from now on. Raises: InvalidParams for no address, one who has access already, or nobody's."""
        self._disk.check()
        known = await self._store.users.maybe_by_id(email_or_id)
        email = parse_email(email_or_id) if known is None else known.email
        made = await self._store.collaborators.add(app, email, known_only=known_only, by=user)
        self._tell(app, f"Add {made.email} as a collaborator", user)
        return made

    async def remove_collaborator(self, app: App, which: str, user: User) -> Collaborator:
        """Raises: NotFound; InvalidParams for the owner."""
        gone = await self._store.collaborators.remove(app, which)
        self._tell(app, f"Remove {gone.email} as a collaborator", user)
        return gone

    # --- drains -------------------------------------------------------------------------------------------------------

    async def add_drain(self, app: App, url: str, user: User) -> Drain:
        """Raises: InvalidParams for a bad URL, one that is there, or one too many."""
        self._disk.check()
        drain = await self._store.drains.add(app, parse_drain_url(url))
        self._tell(app, f"Add drain {drain.token} to {drain.shown}", user)
        return drain

    async def remove_drain(self, app: App, which: str, user: User) -> Drain:
        """By URL, token or id. Raises: NotFound."""
        drain = await self._store.drains.remove(app, which)
        self._tell(app, f"Remove drain {drain.token} to {drain.shown}", user)
        return drain

    def _tell(self, app: App, what: str, user: User) -> None:
        self._log.say(app.id, APP, "api", f"{what} by user {user.email}")
