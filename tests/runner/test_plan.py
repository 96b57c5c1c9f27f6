"""The runner's pure decisions."""

from __future__ import annotations

import random
from dataclasses import replace
from uuid import uuid4

import pytest

from pushd.model.dyno import Dyno, DynoState, Epoch
from pushd.model.routing import WebState
from pushd.runner.plan import (
    Boot,
    Retire,
    by_name,
    environ_of,
    one_off_name,
    pause_before_start,
    plan_formation,
    rest_wanted,
    web_concurrency,
    web_state,
    web_wanted,
)
from tests.runner.conftest import NOW, Longest, make_launch

OLD, NEW = Epoch(1, 0), Epoch(2, 0)
S = DynoState


def dyno(name: str, epoch: Epoch) -> Dyno:
    return Dyno(
        id=uuid4(), app_id=uuid4(), name=name, type=name.partition(".")[0], state=S.UP, epoch=epoch, release_id=uuid4(),
        command="", size="Standard-1X", port=None, created_at=NOW, updated_at=NOW,
    )  # fmt: skip


def test_a_new_epoch_boots_everything_before_it_retires_anything() -> None:
    running = [dyno("web.1", OLD), dyno("web.2", OLD)]

    assert list(plan_formation({"web": 2}, NEW, running)) == [
        Boot("web.1", NEW), Boot("web.2", NEW), Retire(running[0]), Retire(running[1]),
    ]  # fmt: skip


def test_the_same_epoch_boots_what_is_missing_and_retires_the_surplus() -> None:
    running = [dyno("web.1", NEW), dyno("web.3", NEW)]

    assert list(plan_formation({"web": 2}, NEW, running)) == [Boot("web.2", NEW), Retire(running[1])]


def test_a_restart_raises_the_epoch_and_so_replaces_every_dyno() -> None:
    running = [dyno("web.1", NEW)]

    plan = list(plan_formation({"web": 1}, replace(NEW, restarts=1), running))

    assert plan == [Boot("web.1", Epoch(2, 1)), Retire(running[0])]


def test_a_plan_that_was_carried_out_leaves_nothing_to_do() -> None:
    assert list(plan_formation({"web": 1, "clock": 1}, NEW, [dyno("clock.1", NEW), dyno("web.1", NEW)])) == []


def test_boots_come_in_the_order_of_their_numbers() -> None:
    names = [step.name for step in plan_formation({"web": 11}, NEW, []) if isinstance(step, Boot)]

    assert names == [f"web.{number}" for number in range(1, 12)]


def test_the_formation_is_split_into_web_and_the_rest_and_knows_declared_types_only() -> None:
    launch = make_launch({"web": "a", "clock": "b", "release": "c"}, {"web": 2, "clock": 1, "gone": 3, "release": 1})

    assert web_wanted(launch) == {"web": 2}
    assert rest_wanted(launch) == {"clock": 1}


def test_the_pause_after_a_crash_is_none_then_doubles_up_to_a_cap() -> None:
    chance = Longest()
    assert [pause_before_start(crashes, chance) for crashes in range(10)] == [0, 0, 5, 10, 20, 40, 80, 160, 300, 300]
    assert pause_before_start(10**9, chance) == 300


def test_dynos_that_crashed_together_do_not_come_back_together() -> None:
    chance = random.Random(1)
    pauses = {pause_before_start(4, chance) for _ in range(1000)}

    assert len(pauses) == 1000
    assert 15 <= min(pauses) < 15.1
    assert 19.9 < max(pauses) <= 20


def test_config_vars_win_over_our_defaults_but_not_over_port_and_dyno() -> None:
    launch = make_launch({"web": "x"}, {}, environ={"PORT": "1", "DYNO": "me", "WEB_CONCURRENCY": "7", "KEY": "value"})

    web = environ_of(launch, name="web.1", port=5000, cores=2, memory_mb=512)
    clock = environ_of(launch, name="clock.1", port=None, cores=2, memory_mb=512)

    assert dict(web) == {
        "PYTHONUNBUFFERED": "1", "FORWARDED_ALLOW_IPS": "*", "WEB_CONCURRENCY": "7", "KEY": "value",
        "DYNO": "web.1", "PORT": "5000",
    }  # fmt: skip
    assert clock["PORT"] == "1"  # the user's own: other types get none from us
    assert "value" not in repr(web)


def test_what_a_run_asks_for_wins_over_config_vars() -> None:
    launch = make_launch({}, {}, environ={"KEY": "config"})

    assert (
        environ_of(launch, name="run.1", port=None, cores=1, memory_mb=512, extra={"KEY": "run", "DYNO": "x"})["KEY"] == "run"
    )
    assert environ_of(launch, name="run.1", port=None, cores=1, memory_mb=512, extra={"DYNO": "x"})["DYNO"] == "run.1"


@pytest.mark.parametrize(("cores", "memory_mb", "workers"), [(2, 512, 2), (8, 512, 2), (2, 4096, 5), (1, 4096, 3), (4, 100, 1)])
def test_web_concurrency_follows_cores_and_memory(cores: int, memory_mb: int, workers: int) -> None:
    assert web_concurrency(cores, memory_mb) == workers


def test_one_offs_get_a_four_digit_number_that_no_other_has() -> None:
    taken = {f"run.{number}" for number in range(1000, 10_000)} - {"run.4821"}

    assert one_off_name("run", taken, random.Random(1)) == "run.4821"


@pytest.mark.parametrize(
    ("dynos", "wants_web", "state"),
    [
        ([], False, WebState.NONE),
        ([], True, WebState.CRASHED),
        ([(S.STARTING, 0)], True, WebState.BOOTING),
        ([(S.STARTING, 1)], True, WebState.BOOTING),
        ([(S.STARTING, 2)], True, WebState.CRASHED),
        ([(S.COOLING, 1)], True, WebState.BOOTING),
        ([(S.COOLING, 2)], True, WebState.CRASHED),
        ([(S.COOLING, 3), (S.STARTING, 0)], True, WebState.BOOTING),
        ([(S.UP, 0)], True, WebState.BOOTING),
    ],
)
def test_what_visitors_meet_while_no_target_is_ready(
    dynos: list[tuple[DynoState, int]], wants_web: bool, state: WebState
) -> None:
    assert web_state(dynos, wants_web=wants_web) is state


def test_dynos_are_shown_in_the_order_of_their_numbers() -> None:
    names = ["web.10", "web.2", "clock.1"]

    assert [each.name for each in sorted((dyno(name, NEW) for name in names), key=by_name)] == ["clock.1", "web.2", "web.10"]
