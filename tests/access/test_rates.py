"""A bucket of calls per user."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from pushd.access import rates
from pushd.access.rates import UNLIMITED, Rates
from pushd.errors import TooManyRequests
from tests.fakes import FakeClock

ADA, EVE = uuid4(), uuid4()


def test_a_bucket_empties_and_fills_again() -> None:
    clock = FakeClock()
    limits = Rates(3600, clock)
    assert [limits.take(ADA) for _ in range(3)] == [3599, 3598, 3597]
    clock.tick(2.5)
    assert limits.remaining(ADA) == 3599
    clock.tick(10_000)
    assert limits.remaining(ADA) == 3600  # no more than fit
    assert limits.take(EVE) == 3599


def test_an_empty_bucket_says_when_to_come_again() -> None:
    clock = FakeClock()
    limits = Rates(2, clock)
    assert [limits.take(ADA), limits.take(ADA)] == [1, 0]
    for _ in range(3):  # asking again costs nothing
        with pytest.raises(TooManyRequests) as refused:
            limits.take(ADA)
    assert refused.value.retry_after_seconds == 1800
    assert limits.take(EVE) == 1

    clock.tick(1799)
    with pytest.raises(TooManyRequests) as refused:
        limits.take(ADA)
    assert refused.value.retry_after_seconds == 1
    clock.tick(1)
    assert limits.take(ADA) == 0


def test_no_limit() -> None:
    limits = Rates(0, FakeClock())
    assert limits.take(ADA) == limits.remaining(ADA) == UNLIMITED


def test_only_buckets_that_are_not_full_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_SWEEP_ABOVE", 10)
    clock = FakeClock()
    limits = Rates(3600, clock)
    for number in range(100):
        limits.take(UUID(int=number))
        clock.tick(2)
        assert len(limits._buckets) <= 11
