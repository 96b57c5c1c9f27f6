"""Slugs that were made elsewhere, from their archive to the shelf."""

from __future__ import annotations

import asyncio
import io
import tarfile
from pathlib import Path
from uuid import uuid4

from pushd.errors import Conflict
from pushd.model.slug import Slug, SlugState
from tests.builder.conftest import COMMIT, Workplace
from tests.fakes import FakeClock


def awaited_slug(workplace: Workplace) -> Slug:
    return Slug(
        id=uuid4(),
        app_id=workplace.app.id,
        checksum="",
        environment="",
        commit=COMMIT,
        commit_description="",
        process_types={"web": "./server"},
        buildpack_description="",
        size_bytes=0,
        created_at=FakeClock().now(),
        state=SlugState.AWAITED,
    )


def archive_of(place: Path, text: str) -> Path:
    """A .tgz with this text in ./app/text."""
    with tarfile.open(place, "w:gz") as tar:
        member = tarfile.TarInfo("app/text")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text.encode()))
    return place


async def test_of_archives_for_one_slug_the_first_counts(workplace: Workplace, tmp_path: Path) -> None:
    slug = await workplace.slugs.create(awaited_slug(workplace))
    archives = [archive_of(tmp_path / f"{text}.tgz", text) for text in ("one", "two", "three")]

    ended = await asyncio.gather(
        *(workplace.builder.keep_uploaded(slug, each, limit_mb=1024) for each in archives), return_exceptions=True
    )

    assert [type(each) for each in ended] == [Slug, Conflict, Conflict]
    (kept,) = workplace.slugs.stored
    assert (workplace.layout.slug(kept.checksum) / "text").read_text() == "one"
    await workplace.builder.sweep()
    workplace.check_clean()
