"""A slug: the read-only archive that a build makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Slug:
    """What a build made: a folder named by its checksum, the environment it needs, its process types.

    On disk: `slugs/<checksum>/` is mounted at /app; `environments/<app>/<environment>/` stays at its real path.
    """

    id: UUID
    app_id: UUID
    checksum: str  # SHA-256 in hex of the folder's content; names the folder
    environment: str  # name of the virtualenv's folder under environments/<app>/; "" when the slug needs none
    commit: str  # 40 hex digits
    commit_description: str
    process_types: Mapping[str, str]  # "web" -> "gunicorn hello:app"
    buildpack_description: str  # "Python"
    size_bytes: int
    created_at: datetime


def checksum_name(slug: Slug) -> str:
    """As the API shows it."""
    return f"SHA256:{slug.checksum}"
