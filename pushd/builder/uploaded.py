"""Slugs that were made elsewhere: from their archive to the shelf."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from pushd.builder.slug import measure_content
from pushd.builder.workshop import Workshop
from pushd.errors import InvalidParams
from pushd.kit.aio import in_stoppable_thread, in_thread
from pushd.kit.archive import BadArchive, unpack
from pushd.model.slug import Slug, SlugState

_TOP = "app"  # where Heroku's archives hold everything
_UNRELEASED = timedelta(days=1)  # how long one stays that no release names
_STOP_SECONDS = 30.0


async def take_in(
    slug: Slug, archive: Path, workshop: Workshop, limit_bytes: int, keep: Callable[[Slug, Path], Awaitable[Slug]]
) -> Slug:
    """Unpack an archive in the workshop and hand the tree to `keep`, with the slug as it is then. Raises: InvalidParams."""
    await in_thread(workshop.clear)
    await in_thread(partial(workshop.tree.mkdir, parents=True))
    try:
        await in_stoppable_thread(
            partial(unpack, archive, workshop.tree, limit_bytes=limit_bytes, top=_TOP), within=_STOP_SECONDS
        )
    except BadArchive as error:
        raise InvalidParams(
            f"Cannot unpack the slug: {error}.", remedy="Make it with `tar czf slug.tgz ./app`; all is in ./app."
        ) from error
    content = await in_stoppable_thread(measure_content, workshop.tree, within=_STOP_SECONDS)
    filled = replace(slug, checksum=content.checksum, size_bytes=content.size_bytes, state=SlugState.UPLOADED)
    return await keep(filled, workshop.tree)


def is_fresh(slug: Slug, now: datetime) -> bool:
    """Whether it came from elsewhere so lately that a release may still be made of it."""
    return slug.state is not SlugState.BUILT and now - slug.created_at < _UNRELEASED
