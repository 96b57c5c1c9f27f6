"""Which release runs: the current one, or the one that stands in for it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.errors import InvalidParams
from pushd.model.release import Release, ReleaseStatus, current_release, parse_release_number, stand_in_release
from tests.model.makes import make_release

S = ReleaseStatus
V1 = make_release(1, S.SUCCEEDED, slug_id=None)


def test_current_is_the_newest_that_succeeded() -> None:
    releases = [
        V1,
        make_release(2, S.SUCCEEDED),
        make_release(3, S.SUCCEEDED),
        make_release(4, S.FAILED),
        make_release(5, S.PENDING),
    ]

    assert current_release(releases) == releases[2]
    assert current_release(reversed(releases)) == releases[2]


def test_there_may_be_no_current_one() -> None:
    assert current_release([]) is None
    assert current_release([make_release(2, S.FAILED)]) is None


def test_before_a_first_success_the_newest_slug_whose_phase_passed_stands_in() -> None:
    kept_trying = make_release(3, S.FAILED)
    releases = [
        V1,
        make_release(2, S.FAILED),
        kept_trying,
        make_release(4, S.FAILED, phase_passed=False),
        make_release(5, S.EXPIRED),
    ]

    assert stand_in_release(releases) == kept_trying


@pytest.mark.parametrize(
    "releases",
    [
        [],
        [V1],
        [V1, make_release(2, S.SUCCEEDED, slug_id=None)],  # config vars before the first push boot nothing
        [V1, make_release(2, S.FAILED, phase_passed=False)],
        [V1, make_release(2, S.SUCCEEDED), make_release(3, S.FAILED)],  # current serves on, nothing stands in
    ],
)
def test_often_nothing_stands_in(releases: list[Release]) -> None:
    assert stand_in_release(releases) is None


@given(
    st.lists(st.tuples(st.sampled_from(ReleaseStatus), st.booleans(), st.booleans()), max_size=8),
    st.randoms(use_true_random=False),
)
def test_current_and_stand_in_do_not_depend_on_the_order(rows: list[tuple[S, bool, bool]], chance: random.Random) -> None:
    releases = [V1] + [
        make_release(number, status, phase_passed=passed, **({} if slug else {"slug_id": None}))
        for number, (status, slug, passed) in enumerate(rows, start=2)
    ]
    mixed = chance.sample(releases, len(releases))

    assert current_release(mixed) == current_release(releases)
    stand_in = stand_in_release(mixed)
    assert stand_in == stand_in_release(releases)
    current_with_slug = current_release([each for each in releases if each.slug_id])
    assert stand_in is None or current_with_slug is None  # never two that want the same dynos


@pytest.mark.parametrize(("text", "number"), [("v12", 12), ("12", 12), ("v1", 1)])
def test_a_release_is_written_with_or_without_v(text: str, number: int) -> None:
    assert parse_release_number(text) == number


@pytest.mark.parametrize("text", ["", "v", "vv1", "V1", "1.0", "-1", "+1", " 1", "1\n", "²", "١", "9" * 10])
def test_other_texts_are_no_release(text: str) -> None:
    with pytest.raises(InvalidParams, match="is not a release") as caught:
        parse_release_number(text)
    assert "v12" in caught.value.remedy
