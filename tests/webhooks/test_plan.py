"""When an attempt is the last one, and when the next is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from pushd.model.webhook import Attempt, Delivery, DeliveryStatus, Level
from pushd.webhooks.plan import TRIED_FOR, plan_next

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def delivery(attempts: int, *, level: Level = Level.SYNC) -> Delivery:
    return Delivery(
        seq=1, id=uuid4(), event_id=uuid4(), include="api:app", webhook_id=uuid4(), level=level, created_at=NOW,
        status=DeliveryStatus.PENDING, num_attempts=attempts, next_attempt_at=NOW, last_attempt=None, updated_at=NOW,
    )  # fmt: skip


def failed(after: timedelta = timedelta()) -> Attempt:
    return Attempt(id=uuid4(), code=500, error=None, at=NOW + after)


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 2), (1, 4), (5, 64), (10, 2048), (11, 3600), (5000, 3600)])
def test_pauses_grow_to_an_hour(attempts: int, seconds: int) -> None:
    assert plan_next(delivery(attempts), failed()) == (DeliveryStatus.RETRYING, NOW + timedelta(seconds=seconds))


def test_three_days_are_enough() -> None:
    assert plan_next(delivery(80), failed(TRIED_FOR)) == (DeliveryStatus.FAILED, None)


def test_notify_is_over_after_one() -> None:
    assert plan_next(delivery(0, level=Level.NOTIFY), failed()) == (DeliveryStatus.FAILED, None)


def test_success_ends_it() -> None:
    attempt = Attempt(id=uuid4(), code=204, error=None, at=NOW)
    assert plan_next(delivery(3), attempt) == (DeliveryStatus.SUCCEEDED, None)
