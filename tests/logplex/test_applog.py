"""The log of one app on disk: bounded, in order, and readable after any death."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pushd.logplex.applog import AppLog
from tests.fakes import FakeClock


def a_log(folder: Path, limit_bytes: int = 1 << 20) -> AppLog:
    return AppLog(folder, FakeClock(), limit_bytes=limit_bytes, on_growth=lambda: None)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if not path.is_symlink())


def lines(log: AppLog) -> list[bytes]:
    return [line for segment, last in log.visible() for line in segment.read(0, last.end).splitlines()]


def test_what_is_kept_is_bounded_and_the_oldest_goes(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    for number in range(3000):
        log.append([b"app\tapi\t%06d" % number + b"x" * 1000])
    assert size(tmp_path) <= 1 << 20
    kept = lines(log)
    assert len(kept) > 500
    assert kept[-1].startswith(b"app\tapi\t002999")
    assert lines(a_log(tmp_path)) == kept


def test_many_writers_at_once_stay_within_the_bound(tmp_path: Path) -> None:
    log = a_log(tmp_path, 4 << 20)
    for dyno in range(20):
        log.take(f"web.{dyno}")
    assert 20 * log.segment_bytes <= 4 << 20


def test_a_lower_limit_holds_from_the_next_segment_on(tmp_path: Path) -> None:
    log = a_log(tmp_path, 8 << 20)
    for _ in range(3000):
        log.append([b"app\tapi\t" + b"x" * 1000])
    log.limit_bytes = 1 << 20
    for _ in range(1000):
        log.append([b"app\tapi\t" + b"x" * 1000])
    assert size(tmp_path) <= 1 << 20


@pytest.mark.parametrize("torn", [1, 23, 24, 30])
def test_a_power_cut_may_tear_the_stamps(tmp_path: Path, torn: int) -> None:
    log = a_log(tmp_path)
    log.append([b"app\tapi\tone"])
    log.append([b"app\tapi\ttwo"])
    (stamps,) = tmp_path.glob("*.stamps")
    os.truncate(stamps, stamps.stat().st_size - torn)
    assert lines(a_log(tmp_path)) == [b"app\tapi\tone", b"app\tapi\ttwo"]


@pytest.mark.parametrize("kept", [0, 5, 12, 20])
def test_a_power_cut_may_tear_the_bytes(tmp_path: Path, kept: int) -> None:
    log = a_log(tmp_path)
    log.append([b"app\tapi\tone"])
    log.append([b"app\tapi\ttwo"])
    (path,) = tmp_path.glob("*.log")
    whole = path.read_bytes()
    os.truncate(path, kept)
    again = a_log(tmp_path)
    again.append([b"app\tapi\tthree"])
    assert lines(again) == [*whole[:kept].splitlines(), b"app\tapi\tthree"]


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.log").write_text("mine")
    log = a_log(tmp_path)
    log.append([b"app\tapi\tone"])
    assert lines(log) == [b"app\tapi\tone"]
    assert (tmp_path / "notes.log").read_text() == "mine"
