"""A pipeline: apps in stages, and promotions that carry a slug from one app to others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pushd.errors import InvalidParams
from pushd.model.release import Release, ReleaseStatus

_NAME = re.compile(r"[a-z][a-z0-9-]{2,29}")  # the published schema, `pipeline.name`


class Stage(StrEnum):
    """Where in its pipeline an app stands, as the published schema names them."""

    TEST = "test"
    REVIEW = "review"
    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A named chain of apps that share code."""

    id: UUID
    name: str
    owner_id: UUID
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupling:
    """One app's place in a pipeline; an app has at most one."""

    id: UUID
    app_id: UUID
    pipeline_id: UUID
    pipeline_name: str
    stage: Stage
    created_at: datetime
    updated_at: datetime


class PromotionStatus(StrEnum):
    """How one target fares."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionTarget:
    """One app that a promotion goes to. Once it has a release, that tells how it fares; `error` says why it failed."""

    id: UUID
    promotion_id: UUID
    app_id: UUID
    slug_id: UUID | None  # the app's own copy of the slug
    release_id: UUID | None
    error: str
    release: Release | None

    @property
    def status(self) -> PromotionStatus:
        if self.release is None:
            return PromotionStatus.FAILED if self.error else PromotionStatus.PENDING
        return _STATUS[self.release.status]

    @property
    def error_message(self) -> str | None:
        """Why it failed, in a line; None if it did not."""
        if self.status is not PromotionStatus.FAILED:
            return None
        if self.error or self.release is None:
            return self.error
        what = "was overtaken by a newer release" if self.release.status is ReleaseStatus.EXPIRED else "failed"
        return f"Release {self.release.name} {what}."


_STATUS = {
    ReleaseStatus.PENDING: PromotionStatus.PENDING,
    ReleaseStatus.SUCCEEDED: PromotionStatus.SUCCEEDED,
    ReleaseStatus.FAILED: PromotionStatus.FAILED,
    ReleaseStatus.EXPIRED: PromotionStatus.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One release of an app, carried to other apps of its pipeline."""

    id: UUID
    pipeline_id: UUID
    source_app_id: UUID
    source_release_id: UUID
    created_at: datetime
    updated_at: datetime
    targets: tuple[PromotionTarget, ...]

    @property
    def is_completed(self) -> bool:
        return all(each.status is not PromotionStatus.PENDING for each in self.targets)


def parse_pipeline_name(text: str) -> str:
    """A valid name, as given. Raises: InvalidParams that says the rule."""
    if not _NAME.fullmatch(text):
        raise InvalidParams(
            f"Name {text[:64]!r} must start with a letter and can only contain lowercase letters, digits and dashes; "
            "it must be 3 to 30 characters long.",
            remedy="Pick another name.",
        )
    return text


def parse_stage(text: str) -> Stage:
    """Raises: InvalidParams that names those there are."""
    try:
        return Stage(text)
    except ValueError:
        raise InvalidParams(f"There is no stage {text[:40]!r}.", remedy=f"Stages are {_listed(Stage)}.") from None


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
