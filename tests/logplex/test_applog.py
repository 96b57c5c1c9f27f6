"""The log of one app on disk: bounded, in order, and readable after any death."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from pushd.logplex.applog import AppLog
from pushd.logplex.tail import Reader, Wanted
from tests.fakes import FakeClock


def a_log(folder: Path, limit_bytes: int = 1 << 20, *, boot_id: str = "one") -> AppLog:
    return AppLog(folder, FakeClock(), limit_bytes=limit_bytes, on_growth=lambda: None, boot_id=boot_id)


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
    assert lines(a_log(tmp_path, boot_id="two")) == [b"app\tapi\tone", b"app\tapi\ttwo"]


@pytest.mark.parametrize(
    ("start", "end"), [(0, 24), (0, 6000), (2400, 2424), (2410, 4800), (5950, 6000), (2424, 2425), (8, 16), (5992, 5996)]
)
def test_a_power_cut_may_leave_other_bytes_among_the_stamps(
    tmp_path: Path, start: int, end: int, caplog: pytest.LogCaptureFixture
) -> None:
    log = a_log(tmp_path)
    for number in range(250):
        log.append([b"app\tapi\t%d" % number])
    (stamps,) = tmp_path.glob("*.stamps")
    raw = bytearray(stamps.read_bytes())
    assert len(raw) == 6000
    raw[start:end] = b"\xff" if end == start + 1 else bytes(end - start)
    stamps.write_bytes(raw)
    again = a_log(tmp_path, boot_id="two")
    again.append([b"app\tapi\tlast"])
    assert lines(again) == [*(b"app\tapi\t%d" % number for number in range(250)), b"app\tapi\tlast"]
    ((_, last),) = again.visible()
    assert last.lines == 251
    assert "damaged" in caplog.text
    caplog.clear()
    assert lines(a_log(tmp_path, boot_id="three")) == lines(again)
    assert caplog.text == ""  # it was mended for good


@pytest.mark.parametrize("which", [0, 8])
@pytest.mark.parametrize("number", [1 << 62, (1 << 64) - 1])
def test_a_sequence_or_time_that_cannot_be_is_no_stamp(tmp_path: Path, which: int, number: int) -> None:
    log = a_log(tmp_path)
    for text in (b"one", b"two"):
        log.append([b"app\tapi\t" + text])
    (stamps,) = tmp_path.glob("*.stamps")
    raw = bytearray(stamps.read_bytes())
    struct.pack_into("<Q", raw, len(raw) - 24 + which, number)
    stamps.write_bytes(raw)

    again = a_log(tmp_path)
    again.append([b"app\tapi\tthree"])

    found = Reader(again, Wanted()).last(10)
    assert [line.message for line in found] == ["one", "two", "three"]
    assert [int(line.id.split("-")[0]) for line in found] == [1, 2, 3]
    assert {line.at for line in found} == {FakeClock().now()}


def test_stamps_of_what_was_dropped_are_looked_at_too(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    segment = log.take("web.1")
    with segment.open() as files:
        segment.write(files, b"line\n")
        log.stamp(segment, files, 5, 1)
    log.give_back(segment)
    segment.path.unlink()
    segment.stamps_path.write_bytes(b"\xff" * 24)

    again = a_log(tmp_path)
    again.append([b"app\tapi\tnext"])

    assert lines(again) == [b"app\tapi\tnext"]
    assert again.dropped() == []


def test_of_stamps_that_say_nothing_no_lines_are_told_to_be_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = a_log(tmp_path)
    for number in range(10):
        log.append([b"app\tapi\t%d" % number])
    (stamps,) = tmp_path.glob("*.stamps")
    with stamps.open("ab") as file:
        file.write(struct.pack("<QQII", 10**18, 10**15, 1_000_000, 500_000))
    assert len(lines(a_log(tmp_path))) == 10
    (record,) = caplog.records
    assert record.__dict__["lines_lost"] == 0


def test_what_a_power_cut_took_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = a_log(tmp_path)
    for number in range(10):
        log.append([b"app\tapi\t%d" % number])
    (path,) = tmp_path.glob("*.log")
    os.truncate(path, 7 * 10 + 3)
    again = a_log(tmp_path, boot_id="two")
    assert lines(again) == [b"app\tapi\t%d" % number for number in range(7)]
    (record,) = caplog.records
    assert (record.__dict__["path"], record.__dict__["lines_lost"]) == (str(path), 3)


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
    torn = whole[:kept].rpartition(b"\n")[0]
    assert lines(again) == [*torn.splitlines(), b"app\tapi\tthree"]  # of a line of ours that is there in part nothing is shown


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.log").write_text("mine")
    log = a_log(tmp_path)
    log.append([b"app\tapi\tone"])
    assert lines(log) == [b"app\tapi\tone"]
    assert (tmp_path / "notes.log").read_text() == "mine"


def test_a_file_in_place_of_a_log_makes_way(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.write_text("mine")
    log = a_log(folder)
    log.append([b"app\tapi\tone"])
    assert lines(a_log(folder)) == lines(log) == [b"app\tapi\tone"]
    assert (folder / "damaged").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def a_left_line(folder: Path, fifo: Path) -> None:
    """What a daemon leaves that was killed while a dyno was in the middle of a line: moved, and not stamped."""
    log = a_log(folder)
    segment = log.take("web.1", fifo)
    with segment.open() as files:
        segment.write(files, b"whole\nbegun")


def test_the_rest_of_a_line_is_awaited_as_long_as_its_fifo_is_there(tmp_path: Path) -> None:
    fifo, folder = tmp_path / "fifo", tmp_path / "log"
    os.mkfifo(fifo)
    a_left_line(folder, fifo)
    again = a_log(folder)
    ((segment, last),) = again.visible()
    assert segment.read(0, last.end) == b"whole\nbegun"
    fifo.unlink()  # nobody has opened it: its shim was killed too
    ((segment, last),) = again.visible()
    assert segment.read(0, last.end) == b"whole\nbegun\n"
    assert again.take("web.1") is segment


def test_when_the_machine_has_stopped_the_rest_of_a_line_is_gone(tmp_path: Path) -> None:
    fifo, folder = tmp_path / "fifo", tmp_path / "log"
    os.mkfifo(fifo)
    a_left_line(folder, fifo)
    again = a_log(folder, boot_id="two")  # the FIFO is a name on the disk still, and empty
    assert lines(again) == [b"whole", b"begun"]
    assert again.take("web.1", fifo).end == len(b"whole\nbegun\n")


def test_what_a_killed_daemon_had_moved_came_when_it_moved_it(tmp_path: Path) -> None:
    a_left_line(tmp_path, tmp_path / "gone")
    (path,) = tmp_path.glob("*.log")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    (first, *_) = a_log(tmp_path).visible()
    with first[0].stamps() as stamps:
        assert stamps[0].time_us == 1_000_000_000_000_000


def test_of_two_segments_with_one_fifo_the_newer_is_filled_on(tmp_path: Path) -> None:
    """A full disk may keep a segment that is full from being let go, and then comes a kill."""
    fifo, folder = tmp_path / "fifo", tmp_path / "log"
    os.mkfifo(fifo)
    log = a_log(folder)
    older = log.take("web.1", fifo)
    older.sealed = True
    newer = log.take("web.1", fifo)
    again = a_log(folder)
    assert again.take("web.1", fifo).number == newer.number > older.number


def test_a_kill_in_the_middle_of_dropping_leaves_nothing_of_it_to_read(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    segment = log.take("web.1", tmp_path / "fifo")
    log.append([b"app\tapi\tkept"])
    segment.path.unlink()
    again = a_log(tmp_path)
    assert lines(again) == [b"app\tapi\tkept"]
    assert [each.number for each in again.dropped()] == [1]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["boot", "platform~2.log", "platform~2.stamps", "web.1~1.dropped"]
    assert again.take("web.1").number == 3


def test_the_stamps_of_what_was_dropped_are_bounded_too(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    for number in range(30_000):
        log.append([b"app\tapi\t%d" % number + b"x" * 300])
    assert size(tmp_path) <= 1 << 20
    assert 0 < sum(path.stat().st_size for path in tmp_path.glob("*.dropped")) <= 1 << 14
    assert [each.number for each in a_log(tmp_path).dropped()] == [each.number for each in log.dropped()]
