"""How many calls of the API a user may make: a bucket of calls for each, which fills up again all the time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from uuid import UUID

from pushd.errors import TooManyRequests
from pushd.kit.clock import Clock

UNLIMITED = 2**31 - 1  # what is said to remain where nothing is counted: a client wants a number
_SWEEP_ABOVE = 1024  # buckets; those that are full again are as good as none
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was left of a user's calls at one moment; `size` calls flow in per hour, and no more than that fit."""

    size: int
    left: float
    at: float

    def refilled(self, now: float) -> Bucket:
        """The same bucket later."""
        return Bucket(self.size, min(self.size, self.left + (now - self.at) * self.size / _HOUR), now)

    @property
    def seconds_until_one(self) -> float:
        """How long until one call is left."""
        return max(0.0, (1 - self.left) * _HOUR / self.size)


class Rates:
    """One per daemon; nothing is kept over a restart. `per_hour` 0 means no limit."""

    def __init__(self, per_hour: int, clock: Clock) -> None:
        self._per_hour = per_hour
        self._clock = clock
        self._buckets: dict[UUID, Bucket] = {}

    def take(self, user_id: UUID) -> int:
        """Count one call; gives how many are left. Raises: TooManyRequests (429) if none was."""
        if not self._per_hour:
            return UNLIMITED
        bucket = self._bucket(user_id)
        if bucket.left < 1:
            raise TooManyRequests(math.ceil(bucket.seconds_until_one))
        bucket = self._buckets[user_id] = Bucket(bucket.size, bucket.left - 1, bucket.at)
        if len(self._buckets) > _SWEEP_ABOVE:
            self._sweep(bucket.at)
        return int(bucket.left)

    def remaining(self, user_id: UUID) -> int:
        """How many calls are left; asking costs none."""
        return int(self._bucket(user_id).left) if self._per_hour else UNLIMITED

    def _bucket(self, user_id: UUID) -> Bucket:
        now = self._clock.monotonic()
        known = self._buckets.get(user_id)
        return known.refilled(now) if known else Bucket(self._per_hour, self._per_hour, now)

    def _sweep(self, now: float) -> None:
        refilled = {user_id: bucket.refilled(now) for user_id, bucket in self._buckets.items()}
        self._buckets = {user_id: bucket for user_id, bucket in refilled.items() if bucket.left < bucket.size}
