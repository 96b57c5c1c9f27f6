"""A release: immutable slug + config vars + process types, numbered v1, v2, ... per app."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from pushd.errors import InvalidParams


class ReleaseStatus(StrEnum):
    """As the published schema and the Heroku CLI name them."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"


class ReleaseEvent(StrEnum):
    """What may happen to a release."""

    WENT_LIVE = "went live"  # its web dynos answer and traffic has moved, or there was nothing to boot
    DID_NOT_COME_UP = "did not come up"  # release phase or boot failed
    OVERTAKEN = "overtaken"  # a newer release was stored before it was this one's turn to boot
    ROSE_LATE = "rose late"  # a failed stand-in became ready after all: `stand_in_release`


S, E = ReleaseStatus, ReleaseEvent
MOVES: Mapping[tuple[ReleaseStatus, ReleaseEvent], ReleaseStatus] = MappingProxyType({
    (S.PENDING, E.WENT_LIVE): S.SUCCEEDED, (S.PENDING, E.DID_NOT_COME_UP): S.FAILED, (S.PENDING, E.OVERTAKEN): S.EXPIRED,
    (S.FAILED, E.ROSE_LATE): S.SUCCEEDED,
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What it takes to run an app again; a rollback makes a new one with an older slug.

    Its config vars are read with `store.releases.config_vars(release)`: they are encrypted and rarely needed.
    """

    id: UUID
    app_id: UUID
    number: int  # 1, 2, 3 ... per app; shown as v1, v2, v3
    slug_id: UUID | None  # v1 has none
    process_types: Mapping[str, str]  # "web" -> "gunicorn hello:app"
    description: str
    status: ReleaseStatus
    phase_passed: bool  # the release phase exited with 0, or there is none
    has_output: bool  # a release phase ran, its output can be read
    user_id: UUID
    user_email: str
    created_at: datetime
    updated_at: datetime

    @property
    def name(self) -> str:
        return f"v{self.number}"


def current_release(releases: Iterable[Release]) -> Release | None:
    """The newest release that succeeded: what runs, and what a restarted daemon boots."""
    return max((each for each in releases if each.status is S.SUCCEEDED), key=lambda each: each.number, default=None)


def stand_in_release(releases: Iterable[Release]) -> Release | None:
    """The release whose dynos keep trying while none with a slug has ever succeeded, if any: the newest that could still.

    So the repair that Heroku's users know works: push, set the missing variable, run the migration.
    """
    with_slug = [each for each in releases if each.slug_id]
    if any(each.status is S.SUCCEEDED for each in with_slug):
        return None
    candidates = (each for each in with_slug if each.phase_passed and each.status is not S.EXPIRED)
    return max(candidates, key=lambda each: each.number, default=None)


def parse_release_number(text: str) -> int:
    """ "v12" or "12" -> 12. Raises: InvalidParams."""
    digits = text.removeprefix("v")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 9:
        raise InvalidParams(f"{text[:40]!r} is not a release.", remedy="Write it as v12; `pushd releases` lists them.")
    return int(digits)
