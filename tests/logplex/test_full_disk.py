"""A disk without room: programs go on, whole lines are dropped and counted, nothing is corrupted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pushd.kit.clock import SystemClock
from pushd.logplex.applog import AppLog
from pushd.logplex.mover import Mover
from tests.logplex.conftest import Fifo

STORY = """
import asyncio, os, sys
from pathlib import Path
from uuid import UUID
from pushd.kit.clock import SystemClock
from pushd.layout import Layout
from pushd.logplex.logplex import Logplex
from tests.logplex.conftest import APP, Fifo, a_dyno, everything

async def main() -> None:
    disk = Path(sys.argv[1])
    source = Fifo(disk.parent / "fifo", capacity=1 << 16)
    async with Logplex(Layout(disk), SystemClock()) as logplex:
        pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
        source.write(b"before\\nhalf")
        while len(await everything(logplex)) < 1:
            await asyncio.sleep(0)
        with open(disk / "ballast", "wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(4096))
            except OSError:
                pass
        code = "import sys\\nfor n in range(20000): sys.stdout.write(f'line {n:05d}\\\\n')"
        with source.filled_by(code) as writer:  # more than fits into page and pipe: it ends, so it was not kept waiting
            await asyncio.to_thread(writer.wait, 60)
        logplex.say(APP, "app", "api", "said while there is no room")
        (disk / "ballast").unlink()
        source.write(b"after\\n")
        await pipe.finish()
        await logplex.flush()
        for line in await everything(logplex):
            print(f"{line.source}[{line.process}]", line.message)

asyncio.run(main())
"""


def test_on_a_disk_that_is_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["unshare", "-Urm", "sh", "-c", 'mount -t tmpfs -o size=256k tmpfs "$1" && shift && exec "$@"', "sh", str(disk)]
    if subprocess.run([*mount, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a tmpfs")
    run = subprocess.run([*mount, sys.executable, "-c", STORY, str(disk)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    app = [line.removeprefix("app[web.1] ") for line in lines if line.startswith("app[web.1]")]
    numbers = [int(match[1]) for line in app if (match := re.search(r"line (\d{5})$", line))]
    losses = [
        int(match[1]) for line in lines if (match := re.search(r"heroku\[logplex\] Error L12 .* -> (\d+) messages", line))
    ]
    assert app[0] == "before"
    assert app[-1] == "after"
    assert [line for line in app if not re.fullmatch(r"before|after|(half)?(line( \d{0,5})?)?", line)] == []  # cut, never mixed
    assert numbers == sorted(set(numbers))
    assert losses
    cut_behind_its_last_digit = sum(losses) + len(numbers) - 20_000
    assert 0 <= cut_behind_its_last_digit <= len(losses)
    assert "app[api] said while there is no room" in lines


async def test_small_writes_fill_a_pipe_and_are_not_kept_waiting(
    tmp_path: Path, fifo: Callable[..., Fifo], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fifo(capacity=1 << 16)
    log = AppLog(tmp_path / "log", SystemClock(), limit_bytes=1 << 20, on_growth=lambda: None)
    mover = Mover(log, "web.1", source.path, copying=False)
    line = b"x" * 2998 + b"\n"
    for _ in range(8):
        source.write(line)

    with full_disk(monkeypatch):
        turn = mover.turn()
        assert turn.disk_full
        assert turn.lost_lines == 0  # half full: they wait
        for _ in range(8):
            source.write(line)
        with pytest.raises(BlockingIOError):
            source.write(line)  # a page each: full with 73% of its bytes
        assert mover.turn().lost_lines == 16
        source.write(b"begun")
    source.write(b" and ended\n")
    assert mover.turn(last=True).lost_lines == 0
    mover.close(ended=True)
    ((segment, _),) = log.visible()
    assert segment.read(0, segment.end) == b"begun and ended\n"


async def test_the_beginning_of_a_line_waits_for_room_and_only_whole_lines_are_dropped(
    tmp_path: Path, fifo: Callable[..., Fifo], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fifo(capacity=1 << 13)
    log = AppLog(tmp_path / "log", SystemClock(), limit_bytes=1 << 20, on_growth=lambda: None)
    mover = Mover(log, "web.1", source.path, copying=False)
    source.write(b"whole\nhead")
    mover.turn()
    with full_disk(monkeypatch):
        source.write(b" of one that is lost\n" + b"lost\n" * 1400 + b"kept ")
        assert mover.turn().lost_lines == 1401
    source.write(b"whole\n")
    mover.turn()
    mover.close(ended=True)
    ((segment, _),) = log.visible()
    assert segment.read(0, segment.end) == b"whole\nhead\nkept whole\n"


@pytest.mark.parametrize("room_again", ["while its end waits", "before its end has come", "after its end was dropped too"])
async def test_a_line_that_fills_the_pipe_alone_is_dropped_wholly(
    tmp_path: Path, fifo: Callable[..., Fifo], monkeypatch: pytest.MonkeyPatch, room_again: str
) -> None:
    source = fifo(capacity=1 << 12)
    log = AppLog(tmp_path / "log", SystemClock(), limit_bytes=1 << 20, on_growth=lambda: None)
    mover = Mover(log, "web.1", source.path, copying=False)
    with full_disk(monkeypatch):
        for _ in range(3):
            source.write(b"x" * 4096)
            mover.turn()
        if room_again == "after its end was dropped too":
            source.write(b"x" * 4000 + b"\n")
            assert mover.turn().lost_lines == 0  # it is counted already
    if room_again == "while its end waits":
        source.write(b"its end\nkept\n")
    else:
        mover.turn()
        source.write(b"kept\n" if "too" in room_again else b"its end\nkept\n")
    mover.turn()
    mover.close(ended=True)
    ((segment, _),) = log.visible()
    assert segment.read(0, segment.end) == b"kept\n"


async def test_a_flood_on_a_full_disk_is_dropped_in_turns(
    tmp_path: Path, fifo: Callable[..., Fifo], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fifo()
    log = AppLog(tmp_path / "log", SystemClock(), limit_bytes=1 << 20, on_growth=lambda: None)
    mover = Mover(log, "web.1", source.path, copying=False)
    code = "import select, sys\nwhile not select.select([0], [], [], 0)[0]: sys.stdout.write('y' * 99 + '\\n')"
    with source.filled_by(code, stdin=subprocess.PIPE) as writer:
        with full_disk(monkeypatch):
            for _ in range(20):  # each ends, although the writer does not
                assert (await asyncio.to_thread(mover.turn)).disk_full
        await asyncio.to_thread(writer.communicate)
    mover.turn()
    mover.close(ended=True)
    visible = log.visible()  # one segment, or more: it depends on how much the pipe held at the end
    assert visible
    assert set(b"".join(segment.read(0, last.end) for segment, last in visible).splitlines()) <= {b"y" * 99}


@contextlib.contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No byte can be moved into a file."""
    splice = os.splice

    def into_a_file(source: int, target: int, count: int, offset_dst: int | None = None, flags: int = 0) -> int:
        if offset_dst is not None:
            raise OSError(28, os.strerror(28))
        return splice(source, target, count, flags=flags)

    with monkeypatch.context() as patch:
        patch.setattr("os.splice", into_a_file)
        yield


async def test_no_room_for_a_stamp_hides_nothing_for_ever(
    tmp_path: Path, fifo: Callable[..., Fifo], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fifo()
    log = AppLog(tmp_path / "log", SystemClock(), limit_bytes=1 << 20, on_growth=lambda: None)
    mover = Mover(log, "web.1", source.path, copying=False)
    source.write(b"one\n")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pushd.logplex.segment.Segment.stamp", full)
        assert mover.turn().disk_full
    await asyncio.to_thread(mover.turn)
    source.write(b"two\n")
    mover.turn()
    mover.close(ended=True)
    ((segment, last),) = log.visible()
    assert (segment.read(0, segment.end), last.lines) == (b"one\ntwo\n", 2)


async def test_what_was_moved_without_a_stamp_is_there_for_the_next_daemon(
    tmp_path: Path, fifo: Callable[..., Fifo], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fifo()
    log = AppLog(tmp_path / "log", SystemClock(), limit_bytes=1 << 20, on_growth=lambda: None)
    mover = Mover(log, "web.1", source.path, copying=False)
    source.write(b"one\ntwo")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pushd.logplex.segment.Segment.stamp", full)
        assert mover.turn(last=True).disk_full
        mover.close(ended=True)
    source.path.unlink()
    again = AppLog(tmp_path / "log", SystemClock(), limit_bytes=1 << 20, on_growth=lambda: None)
    ((segment, last),) = again.visible()
    assert segment.read(0, last.end) == b"one\ntwo\n"
