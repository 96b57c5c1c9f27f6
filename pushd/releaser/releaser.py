"""Stores releases and says what it takes to run one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

from pushd.errors import Conflict, InvalidParams, NotFound
from pushd.model import config_vars, formation
from pushd.model.app import App
from pushd.model.change import Change
from pushd.model.launch import Launch
from pushd.model.release import (
    Release,
    ReleaseStatus,
    current_release,
    parse_release_number,
)
from pushd.model.secret import Environ
from pushd.model.slug import Slug
from pushd.model.source import deploy_of
from pushd.model.user import User
from pushd.store.store import Store


class Releaser:
    """One per daemon; keeps nothing but the store."""

    def __init__(self, store: Store, *, domain: str) -> None:
        self._store = store
        self._domain = domain
        self._storing = asyncio.Lock()  # what is read before a release is stored must still hold then

    async def of_slug(self, app: App, slug: Slug, user: User, *, description: str) -> Release:
        """A release of a new slug with the newest config vars; types new to the app are wanted once (web) or not at all."""
        return await self._store.releases.create(
            app,
            slug_id=slug.id,
            process_types=slug.process_types,
            config=None,
            description=description,
            user=user,
            status=ReleaseStatus.PENDING,
            phase_passed=formation.RELEASE not in slug.process_types,
            formation=formation.first_formation(slug.process_types),
        )

    async def of_config(self, app: App, changes: Mapping[str, str | None], user: User) -> Release | Change | None:
        """A release of the config vars after `changes`, with the slug that runs; None if they change nothing.

        The same values again are made a release again when theirs failed, and give its change while it is under way.
        Raises: InvalidParams for a name or value that cannot be one.
        """
        async with self._storing:
            current = await self._store.config.of(app)
            wanted = config_vars.changed(current, changes)
            releases = await self._store.releases.list(app)
            if dict(wanted) == dict(current):
                if not changes or releases[0].status is ReleaseStatus.SUCCEEDED:
                    return None
                under_way = [each for each in await self._store.changes.pending() if each.app_id == app.id]
                if found := [each for each in under_way if each.release_number == releases[0].number]:
                    return found[0]
            return await self._again(
                app, base_slug(releases), config=wanted, user=user, description=_describe(current, changes)
            )

    async def replacement_of(self, app: App, release: Release, user: User) -> Release | None:
        """A release whose slug failed while it waited, made again on the slug that still runs; else None."""
        async with self._storing:
            earlier = [each for each in await self._store.releases.list(app) if each.number < release.number]
            slug_id = base_slug(earlier)
            failed_meanwhile = any(
                each.slug_id == release.slug_id
                and each.status is ReleaseStatus.FAILED
                and each.updated_at >= release.created_at
                for each in earlier
            )
            if release.slug_id == slug_id or not failed_meanwhile:
                return None
            return await self._again(app, slug_id, config=None, user=user, description=release.description)

    async def of_older(self, app: App, to: str | None, user: User) -> Release:
        """A release of the slug and the config vars of an older one: `to` is an id, a number or vN; None is the one before.

        Raises: NotFound, InvalidParams or Conflict when there is none that can be rolled back to.
        """
        async with self._storing:
            target = await self._rollback_target(app, to)
            return await self._store.releases.create(
                app,
                slug_id=target.slug_id,
                process_types=target.process_types,
                config=await self._store.releases.config_vars(target),
                description=f"Rollback to {target.name}",
                user=user,
                status=ReleaseStatus.PENDING,
                phase_passed=formation.RELEASE not in target.process_types,
                formation=formation.first_formation(target.process_types),
            )

    async def launch_of(self, app: App, release: Release) -> Launch:
        """All that the runner needs to start this release. Raises: NotFound if it has no slug."""
        if release.slug_id is None:
            raise NotFound(f"{release.name} of {app.name} has no slug yet.", resource="slug", remedy="Push first.")
        slug = await self._store.slugs.find(app, release.slug_id)
        config = await self._store.releases.config_vars(release)
        settings = await self._store.settings.of(app)
        if settings["runtime-dyno-metadata"]:
            config |= self._metadata(app, release, slug)
        quantities = await self._store.formation.quantities(app)
        return Launch(
            app=app,
            release=release,
            slug=slug,
            environ=config,
            formation={kind: quantities.get(kind, 0) for kind in release.process_types if kind != formation.RELEASE},
            settings=settings,
            resources=await self._store.resources.of(app),
        )

    def _metadata(self, app: App, release: Release, slug: Slug) -> Mapping[str, str]:
        """Heroku's dyno metadata, under its names."""
        return {
            "HEROKU_APP_ID": str(app.id),
            "HEROKU_APP_NAME": app.name,
            "HEROKU_APP_DEFAULT_DOMAIN_NAME": f"{app.name}.{self._domain}",
            "HEROKU_RELEASE_VERSION": release.name,
            "HEROKU_RELEASE_CREATED_AT": release.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "HEROKU_SLUG_COMMIT": slug.commit,
            "HEROKU_SLUG_DESCRIPTION": deploy_of(slug.commit),
        }

    async def _again(self, app: App, slug_id: UUID | None, *, config: Environ | None, user: User, description: str) -> Release:
        """A slug once more, with other config vars (None: the newest)."""
        slug = None if slug_id is None else await self._store.slugs.find(app, slug_id)
        types = slug.process_types if slug else {}
        return await self._store.releases.create(
            app,
            slug_id=slug_id,
            process_types=types,
            config=config,
            description=description,
            user=user,
            status=ReleaseStatus.PENDING if slug else ReleaseStatus.SUCCEEDED,
            phase_passed=formation.RELEASE not in types,
        )

    async def _rollback_target(self, app: App, to: str | None) -> Release:
        releases = await self._store.releases.list(app)
        if to is None:
            running = current_release(releases)
            earlier = [each for each in releases if eligible(each) and running and each.number < running.number]
            if not earlier:
                raise Conflict("There is no earlier release to roll back to.", remedy="`pushd releases` lists them.")
            return earlier[0]
        if "-" not in to:
            parse_release_number(to)  # says how to write it
        target = await self._store.releases.find(app, to)
        if not eligible(target):
            why = _why_not_eligible(target)
            raise InvalidParams(f"Cannot roll back to {target.name}: {why}.", remedy=_those_that_are_eligible(releases))
        return target


def _those_that_are_eligible(releases: Sequence[Release]) -> str:
    running = current_release(releases)
    names = [each.name for each in releases if eligible(each) and each != running]
    if not names:
        return "There is none that one can roll back to."
    return f"One can roll back to {', '.join(names[:10])}{' and older ones' if len(names) > 10 else ''}."


def _why_not_eligible(release: Release) -> str:
    if release.slug_id is not None:
        return f"it is {release.status.value}" if release.status is ReleaseStatus.PENDING else f"it {release.status.value}"
    return "its slug is no longer kept (slugs_kept)" if release.process_types else "it has no slug"


def eligible(release: Release) -> bool:
    """Whether one can roll back to it."""
    return release.status is ReleaseStatus.SUCCEEDED and release.slug_id is not None


def base_slug(releases: Sequence[Release]) -> UUID | None:
    """The slug that a config change runs: that of the newest release that succeeded or is on its way, else the newest built.

    `releases` are newest first. While none with a slug has succeeded even a slug whose release phase failed is taken: the
    variable that it misses may be the one being set.
    """
    with_slug = [each for each in releases if each.slug_id]
    if any(each.status is ReleaseStatus.SUCCEEDED for each in with_slug):
        with_slug = [each for each in with_slug if each.status in (ReleaseStatus.SUCCEEDED, ReleaseStatus.PENDING)]
    return with_slug[0].slug_id if with_slug else None


def _describe(current: Mapping[str, str], changes: Mapping[str, str | None]) -> str:
    """ "Set A, B config vars", as Heroku words it; names only. If none of them changes, all of them."""
    new = {name: value for name, value in changes.items() if current.get(name) != value} or changes
    put = [name for name, value in new.items() if value is not None]
    removed = [name for name, value in new.items() if value is None]
    parts = [f"{verb} {', '.join(sorted(names))}" for verb, names in (("Set", put), ("Unset", removed)) if names]
    return " and ".join(parts) + " config vars"
