"""What follows an attempt: done, failed, or again, and when. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from pushd.model.webhook import Attempt, Delivery, DeliveryStatus, Level

TRIED_FOR = timedelta(hours=72)  # as Heroku
_LONGEST_PAUSE_SECONDS = 3600


def plan_next(delivery: Delivery, attempt: Attempt) -> tuple[DeliveryStatus, datetime | None]:
    """The delivery's status after this attempt, and when the next one is due, if one is.

    Pauses grow from 2 seconds to an hour.
    """
    if attempt.succeeded:
        return DeliveryStatus.SUCCEEDED, None
    pause = timedelta(seconds=min(2 ** min(delivery.num_attempts + 1, 20), _LONGEST_PAUSE_SECONDS))
    again_at = attempt.at + pause
    if delivery.level is Level.NOTIFY or again_at > delivery.created_at + TRIED_FOR:
        return DeliveryStatus.FAILED, None
    return DeliveryStatus.RETRYING, again_at
