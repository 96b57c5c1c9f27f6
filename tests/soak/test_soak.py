"""What the soak counts by: which failures have a cause, which lines are lost, what grows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.soak.causes import Event, Failure, Kind, count_causes, maybe_cause
from tests.soak.engine import Findings, Soak
from tests.soak.growth import Growth, Sample, growth
from tests.soak.lines import Count, count_lines, last_numbers, segments
from tests.soak.report import table


def failure(began: float, ended: float, *, app: str = "shop", upgraded: bool = False) -> Failure:
    return Failure(app, "fresh", began, ended, "reset", upgraded)


@pytest.mark.parametrize(
    ("event", "failed", "allowed"),
    [
        (Event(Kind.ROUTER_KILLED, 10, 10.1), failure(9, 10.05), True),  # was under way
        (Event(Kind.ROUTER_KILLED, 10, 10.1), failure(10.2, 10.3), False),  # came later: it has to wait, not to fail
        (Event(Kind.ROUTER_KILLED, 10, 10.1), failure(8, 9.9), False),  # came before
        (Event(Kind.CRASH, 10, 10.1, "shop"), failure(9, 10.05), True),
        (Event(Kind.CRASH, 10, 10.1, "blog"), failure(9, 10.05), False),  # the crash of a neighbour
        (Event(Kind.DAEMON_KILLED, 10, 12), failure(9, 11), False),
        (Event(Kind.PUSH, 10, 12, "shop"), failure(9, 11), False),
        (Event(Kind.PUSH, 10, 12, "shop"), failure(9, 41, upgraded=True), True),  # its drain time is over
        (Event(Kind.PUSH, 10, 12, "shop"), failure(9, 30, upgraded=True), False),
        (Event(Kind.PUSH, 10, 12, "shop"), failure(11, 41, upgraded=True), True),  # it came before traffic moved
        (Event(Kind.PUSH, 10, 12, "shop"), failure(12.1, 43, upgraded=True), False),  # it came to the new dyno
    ],
)
def test_only_what_was_under_way_may_fail(event: Event, failed: Failure, allowed: bool) -> None:
    assert (maybe_cause(failed, [event], drain_seconds=30) is event.kind) is allowed


def test_failures_are_counted_by_cause() -> None:
    crash = Event(Kind.CRASH, 10, 10.1, "shop")

    counts, unexplained = count_causes([failure(9, 10), failure(1, 2), failure(10, 11)], [crash], drain_seconds=30)

    assert counts == {Kind.CRASH: 2}
    assert unexplained == [failure(1, 2)]


def test_gaps_doubles_and_order_are_found() -> None:
    one, two = "00000000000a", "00000000000b"
    numbers = ((one, 1), (two, 1), (two, 2), (two, 2), (one, 4), (one, 3))
    text = "noise\n".join(f"line {token} {number} tick\n" for token, number in numbers)

    count = count_lines([text.encode()], {one: 5, "00000000000c": 1})

    assert set(count.missing) == {f"{one} 2", f"{one} 5", "00000000000c 1"}
    assert count.twice == [f"{two} 2"]
    assert count.disordered == [one]
    assert (count.lines, count.processes) == (6, 2)


def test_a_line_may_lie_across_two_segments(tmp_path: Path) -> None:
    for name, text in (
        ("web.1~10.log", " 2 tick\n"),
        ("web.1~9.log", "line 00000000000a 1 tick\nline 00000000000a"),
        ("x", ""),
    ):
        (tmp_path / name).write_text(text)

    texts = [path.read_bytes() for path in segments(tmp_path)]

    assert last_numbers(texts) == {"00000000000a": 2}


def test_growth_compares_the_first_and_the_last_third() -> None:
    samples = [Sample(at=float(at), pid=1, pss_mb=50 + at / 10, descriptors=20, threads=3) for at in range(0, 90)]

    found = growth(samples)

    assert found is not None
    assert found.mb == pytest.approx(6.0)
    assert found.mb_per_hour == pytest.approx(360, rel=0.05)
    assert growth(samples[:5]) is None


def test_a_soak_in_which_nothing_happened_shows_nothing() -> None:
    empty, full = Findings(), Findings(requests=Counter({"200": 1}), lines=Count(lines=1), kept_pids=(1, 1))
    look = Sample(at=0, pid=1, pss_mb=50, descriptors=20, threads=3)
    full.growth = dict.fromkeys(("daemon", "router"), Growth(6, 10, look, look))
    full.done.update((Kind.DAEMON_KILLED, Kind.DAEMON_RESTARTED, Kind.ROUTER_KILLED, Kind.CRASH))

    assert len(empty.unproven()) == 3 + len(full.done) + len(full.growth)
    assert full.unproven() == []
    del full.growth["router"]
    full.done[Kind.CRASH] = 0
    assert full.unproven() == [
        "nothing of this kind happened: app crashed",
        "too few looks at the router to tell whether it grows",
    ]


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_minute_of_visitors_deeds_and_deaths(tmp_path: Path) -> None:
    findings = Soak(tmp_path, seconds=60, apps=4, seed=1).run()

    print(table(findings))
    assert findings.broken == []
