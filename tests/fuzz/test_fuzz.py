"""A few cases of each target in the usual run, a minute of them in the long one; `make fuzz` goes on for ten."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.fuzz.engine import fuzz
from tests.fuzz.mutations import damaged
from tests.fuzz.targets import TARGETS

SECONDS = 60.0


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_are_good_and_a_few_damaged_ones_are_refused(name: str) -> None:
    target = TARGETS[name]
    with target.open() as check:
        for seed in target.seeds:
            check(seed)
            for place in range(0, len(seed), max(1, len(seed) // 5)):
                check(seed[:place] + b"\0" + seed[place + 1 :])


@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
def test_a_minute_of_damage(name: str) -> None:
    assert fuzz(TARGETS[name], seconds=SECONDS / len(TARGETS), seed=1) > 0


def test_seeds_are_damaged_in_different_ways() -> None:
    seed, seen = b"a seed that is long enough to be damaged", set()

    @settings(max_examples=50, database=None)
    @given(damaged([seed]))
    def look(data: bytes) -> None:
        seen.add(data)

    look()
    assert len(seen - {seed}) > 20
