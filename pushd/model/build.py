"""A build: one attempt to make a slug of a commit or an archive."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class BuildStatus(StrEnum):
    """As the published schema names them."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """The record of one deploy, kept with its output; `reason` says why it failed."""

    id: UUID
    app_id: UUID
    user_id: UUID
    user_email: str
    status: BuildStatus
    commit: str
    branch: str  # "" for one of an archive
    source_url: str = field(repr=False)  # of the archive, perhaps with a log-in; "" for a push
    source_checksum: str
    description: str  # of the archive's version
    buildpacks: tuple[str, ...]  # that ran, in order: as they were asked for, else the name of the folder
    slug_id: UUID | None
    release_id: UUID | None
    reason: str
    created_at: datetime
    updated_at: datetime
