"""Short ways to make what most tests of the store need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from pushd.model.app import App
from pushd.model.release import Release, ReleaseEvent
from pushd.model.slug import Slug
from pushd.model.user import User
from pushd.store.store import Store

NOBODY = UUID("6f0c1b5e-3d42-4a8c-9c55-0d2f8f7f3a11")  # the id of nothing; fixed, so that every run has the same tests


def make_slug(app: App, *, checksum: str = "c" * 64, environment: str = "env1", created_minute: int = 0) -> Slug:
    return Slug(
        id=uuid4(),
        app_id=app.id,
        checksum=checksum,
        environment=environment,
        commit="1a2b3c4d" * 5,
        commit_description="Überschrift",
        process_types={"web": "gunicorn hello:app", "clock": "python clock.py"},
        buildpack_description="Python",
        size_bytes=123,
        created_at=datetime(2026, 1, 1, 0, created_minute, 0, 250, tzinfo=UTC),
    )


async def make_release(
    store: Store, app: App, user: User, *, slug: Slug | None = None, config: Mapping[str, str] | None = None, **more: Any
) -> Release:
    return await store.releases.create(
        app,
        slug_id=slug.id if slug else None,
        process_types=slug.process_types if slug else {},
        config=config,
        description="Deploy 1a2b3c4d",
        user=user,
        **more,
    )


async def make_live(store: Store, app: App, user: User, slug: Slug) -> Release:
    """A release of `slug` that succeeded."""
    await store.slugs.create(slug)
    return await store.releases.move(await make_release(store, app, user, slug=slug), ReleaseEvent.WENT_LIVE)


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}
