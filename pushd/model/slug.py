"""A slug: the read-only archive that a build makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class SlugState(StrEnum):
    """Where its files came from; one that is awaited has none yet, and cannot be released."""

    AWAITED = "awaited"
    UPLOADED = "uploaded"
    BUILT = "built"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slug:
    """What a build made: a folder named by its checksum, the environment it needs, its process types.

    On disk: `slugs/<checksum>/` is mounted at /app; `environments/<app>/<environment>/` stays at its real path.
    """

    id: UUID
    app_id: UUID
    checksum: str  # SHA-256 in hex of the folder's content; names the folder. "" while it is awaited
    environment: str  # name of the virtualenv's folder under environments/<app>/; "" when the slug needs none
    commit: str  # 40 hex digits
    commit_description: str
    process_types: Mapping[str, str]  # "web" -> "gunicorn hello:app"
    buildpack_description: str  # "Python"
    size_bytes: int
    created_at: datetime
    state: SlugState = SlugState.BUILT
    archive_checksum: str = ""  # SHA-256 in hex of what was, or is to be, uploaded, if that was said


def maybe_checksum_name(slug: Slug) -> str | None:
    """As the API shows it: that of the archive if somebody gave it, else that of the content."""
    digits = slug.archive_checksum or slug.checksum
    return f"SHA256:{digits}" if digits else None
