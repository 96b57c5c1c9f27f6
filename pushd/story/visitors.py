"""What the router must know of an app beside its targets: hosts, maintenance, pages, limits."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from uuid import UUID

from pushd.kit.aio import in_thread
from pushd.kit.fetch import CannotFetch, Pages
from pushd.layout import Layout
from pushd.model.app import App
from pushd.model.domain import default_hostname, is_servers_own
from pushd.model.release import current_release
from pushd.model.routing import Route
from pushd.store.store import Store

log = logging.getLogger(__name__)

_PAGE_LIMIT_BYTES = 1 << 20
_OWN_PAGE = Path("static") / "maintenance.html"


class Visitors:
    """Composes an app's route from the store and its slug: the router itself opens no file and fetches no URL."""

    def __init__(self, store: Store, layout: Layout, *, domain: str, pages: Pages) -> None:
        self._store = store
        self._layout = layout
        self._domain = domain
        self._fetched = pages

    async def route_of(self, app_id: UUID, *, fetch: bool = True) -> Route:
        """The app's route without targets; pages of other servers only with `fetch`. Raises: NotFound once the app is gone."""
        app = await self._store.apps.find(str(app_id))
        settings = await self._store.settings.of(app)
        maintenance_page, error_page = await self._pages(app, fetch=fetch)
        return Route(
            app_id=str(app.id),
            app_name=app.name,
            hosts=await self._hosts(app),
            maintenance=app.maintenance,
            maintenance_page=maintenance_page,
            error_page=error_page,
            first_byte_seconds=settings["first-byte-timeout-seconds"],
            idle_seconds=settings["idle-timeout-seconds"],
            drain_seconds=settings["drain-timeout-seconds"],
            requests_per_target=settings["requests-per-dyno"],
        )

    async def _hosts(self, app: App) -> tuple[str, ...]:
        """The default domain first. A custom one that became an app's own when the server's domain changed is left out."""
        custom = (each.hostname for each in await self._store.domains.of(app))
        return (
            default_hostname(app.name, self._domain),
            *(hostname for hostname in custom if not is_servers_own(hostname, self._domain)),
        )

    async def _pages(self, app: App, *, fetch: bool) -> tuple[str, str]:
        config = await self._store.config.of(app)
        return await asyncio.gather(
            self._maintenance_page(app, config.get("MAINTENANCE_PAGE_URL", ""), fetch=fetch),
            self._page_at(app, "ERROR_PAGE_URL", config.get("ERROR_PAGE_URL", ""), fetch=fetch),
        )

    async def _maintenance_page(self, app: App, url: str, *, fetch: bool) -> str:
        if not app.maintenance:
            return ""
        return await self._page_at(app, "MAINTENANCE_PAGE_URL", url, fetch=fetch) if url else await self._page_in_slug(app)

    async def _page_at(self, app: App, variable: str, url: str, *, fetch: bool) -> str:
        if not url or not fetch:
            return ""
        try:
            return await self._fetched.fetch(url)
        except CannotFetch as error:
            log.warning("page not fetched", extra={"app": app.name, "variable": variable, "cause": str(error)})
            return ""

    async def _page_in_slug(self, app: App) -> str:
        release = current_release([each for each in await self._store.releases.list(app) if each.slug_id])
        if release is None or release.slug_id is None:
            return ""
        slug = await self._store.slugs.find(app, release.slug_id)
        return await in_thread(_read_page, self._layout.slug(slug.checksum))


def _read_page(slug: Path) -> str:
    """The slug's own page, if it is a plain file inside the slug and not too large."""
    path = (slug / _OWN_PAGE).resolve()
    try:
        if not path.is_relative_to(slug.resolve()) or path.stat().st_size > _PAGE_LIMIT_BYTES:
            return ""
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
