"""Releases for tests of rules: only what the rules look at differs."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

from pushd.model.release import Release, ReleaseStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SLUG = UUID(int=1)


def make_release(number: int, status: ReleaseStatus, *, slug_id: UUID | None = SLUG, phase_passed: bool = True) -> Release:
    return Release(
        id=uuid4(),
        app_id=UUID(int=2),
        number=number,
        slug_id=slug_id,
        process_types={"web": "x"},
        description="d",
        status=status,
        phase_passed=phase_passed,
        has_output=False,
        user_id=UUID(int=3),
        user_email="a@b",
        created_at=NOW,
        updated_at=NOW,
    )
