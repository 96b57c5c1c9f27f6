"""Whether what a slug needs is on the disk as it was built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pushd.builder.slug import is_whole
from pushd.kit.aio import in_stoppable_thread
from pushd.layout import Layout
from pushd.model.slug import Slug, SlugState

_STOP_SECONDS = 30.0


class Shelf:
    """Looks at the folders of slugs and environments, and changes nothing."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    async def fault(self, slug: Slug, *, thoroughly: bool) -> str:
        """What is wrong, in words for a message; "" if nothing is. `thoroughly`: its files are read and compared."""
        if slug.state is SlugState.AWAITED:
            return ""
        return await in_stoppable_thread(_fault, self._layout, slug, thoroughly, within=_STOP_SECONDS)


def _fault(layout: Layout, slug: Slug, thoroughly: bool, stopped: Callable[[], bool]) -> str:
    place = layout.slug(slug.checksum)
    if not place.is_dir():
        return f"its files are gone ({place})"
    if slug.environment and not _holds_something(environment := layout.environment(slug.app_id, slug.environment)):
        return f"the environment that it needs is gone ({environment})"
    if thoroughly and not is_whole(place, stopped=stopped):
        return f"its files are not what was built ({place})"
    return ""


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
