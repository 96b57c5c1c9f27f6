"""Promotions: the slug that runs in one app, taken over by others of its pipeline and released there; nothing is built."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from pushd.errors import Conflict, InvalidParams, PushdError
from pushd.kit.aio import Nursery
from pushd.kit.crash import crash_point
from pushd.model.app import App
from pushd.model.change import Change, ChangeState
from pushd.model.pipeline import Pipeline, Promotion, PromotionStatus, PromotionTarget
from pushd.model.release import Release, current_release
from pushd.model.slug import Slug
from pushd.model.user import User
from pushd.store.store import Store
from pushd.story.disk import DiskReserve
from pushd.story.retention import Retention
from pushd.story.rooms import Builder
from pushd.story.verdicts import Verdicts

_WAIT_SECONDS = 600.0  # for a change, before we ask again
_MOMENT_SECONDS = 5.0


class Deploys(Protocol):
    """The end of the story, from the release on."""

    async def release_slug(self, app: App, slug_id: str, description: str, user: User) -> tuple[Release, Change | None]: ...

    async def wait_change(self, change_id: UUID, within: float) -> Change: ...


class Promotions:
    """One per daemon. A promotion is stored first; then each target goes its own way, and none holds up another."""

    def __init__(
        self,
        *,
        store: Store,
        builder: Builder,
        deploys: Deploys,
        retention: Retention,
        disk: DiskReserve,
        verdicts: Verdicts,
        nursery: Nursery,
    ) -> None:
        self._store = store
        self._builder = builder
        self._deploys = deploys
        self._retention = retention
        self._disk = disk
        self._verdicts = verdicts
        self._nursery = nursery
        self._carrying: dict[UUID, asyncio.Task[None]] = {}  # by target

    async def promote(
        self, pipeline: Pipeline, source: App, release_id: str | None, targets: Sequence[App], user: User
    ) -> Promotion:
        """Begin to carry a release of `source`, the one that runs if none is named, to `targets`.

        Raises: InvalidParams for apps that cannot take part, Conflict when there is nothing to promote, NotFound, DiskFull.
        """
        self._disk.check()
        await self._check_apps(pipeline, source, targets)
        release, slug = await self._find_slug(source, release_id)
        promotion = await self._store.promotions.create(pipeline, source, release, targets)
        crash_point("promotion.stored")
        apps = {app.id: app for app in targets}
        for target in promotion.targets:
            app = apps[target.app_id]
            description = f"Promote {source.name} {release.name} {slug.commit[:8]}"
            self._carrying[target.id] = self._nursery.start(
                self._carry(target, app, slug, description, user), name=f"promotion of {source.name} to {app.name}"
            )
        return promotion

    async def find(self, promotion_id: str) -> Promotion:
        """How a promotion stands. A release is marked as failed a moment before we are told why: that is waited for.

        Raises: NotFound.
        """
        promotion = await self._store.promotions.find(promotion_id)
        late = [each.id for each in promotion.targets if each.status is PromotionStatus.FAILED and not each.error]
        if tasks := [self._carrying[each] for each in late if each in self._carrying]:
            await asyncio.wait(tasks, timeout=_MOMENT_SECONDS)
            promotion = await self._store.promotions.find(promotion_id)
        return promotion

    async def settle(self) -> None:
        """At the daemon's start: what had not become a release when the daemon before us ended has failed."""
        if targets := await self._store.promotions.unsettled():
            error = "The server stopped during the promotion. Promote again."
            await self._verdicts.store(
                lambda: self._store.promotions.settle(targets, error), what="the end of promotions that were cut short"
            )

    async def _carry(self, target: PromotionTarget, app: App, slug: Slug, description: str, user: User) -> None:
        """Take one target to the end; why it failed stands in its record, and in the log if it is a bug of ours."""
        try:
            await self._release(target, app, slug, description, user)
        except PushdError as error:
            await self._fail(target, error.message)
        except Exception:
            await self._fail(target, "internal error, see the daemon's log")
            raise
        finally:
            self._carrying.pop(target.id, None)

    async def _fail(self, target: PromotionTarget, why: str) -> None:
        await self._verdicts.store(
            lambda: self._store.promotions.note(target, error=why), what=f"the end of promotion {target.id}"
        )

    async def _release(self, target: PromotionTarget, app: App, slug: Slug, description: str, user: User) -> None:
        adopted = await self._builder.adopt(app, slug)
        crash_point("promotion.adopted")
        await self._store.promotions.note(target, slug_id=adopted.id)
        crash_point("promotion.slug-noted")
        release, change = await self._deploys.release_slug(app, str(adopted.id), description, user)
        crash_point("promotion.released")
        await self._store.promotions.note(target, release_id=release.id)
        await self._store.apps.set_sizes(app, slug_size_bytes=adopted.size_bytes)
        while change is not None and change.state is ChangeState.PENDING:
            change = await self._deploys.wait_change(change.id, within=_WAIT_SECONDS)
        if change is not None and change.state is ChangeState.FAILED:
            raise Conflict(change.reason.partition("\n")[0])
        await self._retention.forget_old(app)

    async def _check_apps(self, pipeline: Pipeline, source: App, targets: Sequence[App]) -> None:
        if not targets:
            raise InvalidParams("targets is empty.", remedy="Name at least one app to promote to.")
        coupled = {each.app_id for each in await self._store.pipelines.couplings(pipeline)}
        for app in (source, *targets):
            if app.id not in coupled:
                raise InvalidParams(
                    f"App {app.name} is not in the pipeline {pipeline.name}.",
                    remedy=f"Add it: pushd pipelines:add {pipeline.name} --app {app.name} --stage production",
                )
        if source.id in {app.id for app in targets}:
            raise InvalidParams(f"Cannot promote from an app to itself: {source.name}.", remedy="Name another target.")
        if len({app.id for app in targets}) < len(targets):
            raise InvalidParams("The same app stands among the targets twice.", remedy="Name each app once.")

    async def _find_slug(self, source: App, release_id: str | None) -> tuple[Release, Slug]:
        releases = await self._store.releases.list(source)
        if release_id is not None:
            release: Release | None = await self._store.releases.find(source, release_id)
        else:
            release = current_release([each for each in releases if each.slug_id])
        if release is None or release.slug_id is None:
            raise Conflict(f"App {source.name} has no release to promote.", remedy="Push to it first.")
        return release, await self._store.slugs.find(source, release.slug_id)
