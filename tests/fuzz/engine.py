"""Goes on with one target until its time is over; hypothesis makes a find small before it is told."""

from __future__ import annotations

import time

from hypothesis import HealthCheck, given, settings
from hypothesis import seed as hypothesis_seed

from tests.fuzz.mutations import damaged
from tests.fuzz.targets import Check, Target

_ROUND = 200  # cases between two looks at the clock


def fuzz(target: Target, *, seconds: float, seed: int) -> int:
    """How many cases were tried. Raises: what a case did to the target, with the smallest such case in its notes."""
    ends_at, tried = time.monotonic() + seconds, 0
    with target.open() as check:
        for number in range(1_000_000):
            tried += _round(target, check, seed + number)
            if time.monotonic() >= ends_at:
                return tried
    return tried


def _round(target: Target, check: Check, seed: int) -> int:
    count = 0

    @hypothesis_seed(seed)
    @settings(max_examples=_ROUND, deadline=None, database=None, derandomize=False, suppress_health_check=list(HealthCheck))
    @given(damaged(target.seeds))
    def run(data: bytes) -> None:
        nonlocal count
        count += 1
        check(data)

    run()
    return count
