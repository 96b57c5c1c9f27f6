"""From a FIFO to the log: nothing lost, repeated or reordered, whatever is written and whoever is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from pushd.api.log_sessions import events
from pushd.kit.clock import SystemClock
from pushd.layout import Layout
from pushd.logplex.lines import pieces
from pushd.logplex.logplex import Logplex
from tests.logplex.conftest import APP, Fifo, a_dyno, everything, messages, until_line

FLOOD = """
import sys
write = sys.stdout.write
for number in range({lines}):
    write(f"line {{number:07d}} {{'.' * (number % 97)}}\\n")
sys.stdout.flush()
"""


def numbers(found: list[str]) -> list[int]:
    return [int(message.split()[1]) for message in found]


async def test_a_flood_arrives_whole_and_in_order(logplex: Logplex, fifo: Callable[[], Fifo]) -> None:
    lines = 200_000
    logplex.set_limit(APP, 64 << 20)
    source = fifo()
    pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
    with source.filled_by(FLOOD.format(lines=lines)) as writer:
        await asyncio.to_thread(writer.wait, 60)
    await pipe.finish()
    found = [line.message for line in await everything(logplex)]
    assert numbers(found) == list(range(lines))
    assert all(message.endswith("." * (number % 97)) for number, message in enumerate(found))


async def test_several_dynos_of_one_name_do_not_mix_their_lines(logplex: Logplex, fifo: Callable[[], Fifo]) -> None:
    old, new = fifo(), fifo()
    pipes = [logplex.open(APP, "web.1", a_dyno(), each.path) for each in (old, new)]
    old.write(b"old begins, ")
    new.write(b"new begins, ")
    old.write(b"old ends\n")
    new.write(b"new ends\n")
    for pipe in pipes:
        await pipe.finish()
    assert sorted(await messages(logplex)) == ["new begins, new ends", "old begins, old ends"]


async def test_what_waited_in_the_pipe_is_read(logplex: Logplex, fifo: Callable[[], Fifo]) -> None:
    source = fifo()
    source.write(b"said while no daemon ran\n" * 3000)
    pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
    await pipe.finish()
    assert len(await everything(logplex)) == 3000


async def test_an_unfinished_last_line_is_shown_at_the_end(logplex: Logplex, fifo: Callable[[], Fifo]) -> None:
    source = fifo()
    pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
    source.write(b"one\nno newline")
    await until_line(logplex, "one")
    assert await messages(logplex) == ["one"]
    await pipe.finish()
    assert await messages(logplex) == ["one", "no newline"]
    assert pipe.last_lines(5) == ["one", "no newline"]


async def test_finish_may_come_at_any_moment_and_twice(logplex: Logplex, fifo: Callable[[], Fifo]) -> None:
    for number in range(30):
        source = fifo()
        pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
        source.write(b"x\n" * 500)
        for _ in range(number):
            await asyncio.sleep(0)
        source.write(b"last\n")
        finishing = asyncio.ensure_future(pipe.finish())
        await asyncio.sleep(0)
        finishing.cancel()  # whoever waits may give up; the end comes all the same
        with contextlib.suppress(asyncio.CancelledError):
            await finishing
        await asyncio.gather(pipe.finish(), pipe.finish())
        assert pipe.last_lines(1) == ["last"]
    assert len(await everything(logplex)) == 30 * 501


async def test_the_last_lines_are_those_of_this_process(logplex: Logplex, fifo: Callable[[], Fifo]) -> None:
    first, second = fifo(), fifo()
    before = logplex.open(APP, "web.1", a_dyno(), first.path)
    first.write(b"of the one before\n")
    await before.finish()
    pipe = logplex.open(APP, "web.1", a_dyno(), second.path)
    assert pipe.last_lines(5) == []
    second.write(b"1\n2\n3\n")
    await pipe.finish()
    assert pipe.last_lines(5) == ["1", "2", "3"]
    assert pipe.last_lines(2) == ["2", "3"]
    assert pipe.last_lines(0) == []


async def test_the_last_lines_reach_back_over_a_segment_that_is_full(logplex: Logplex, fifo: Callable[[], Fifo]) -> None:
    logplex.set_limit(APP, 1 << 20)
    source = fifo()
    pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
    size = logplex._log(APP).segment_bytes
    source.write(b"%d\n" % 7 * (size // 2) + b"after\n")
    await pipe.finish()
    assert pipe.last_lines(3) == ["7", "7", "after"]


async def test_a_copy_gets_the_same_bytes_before_finish_returns(logplex: Logplex, fifo: Callable[[], Fifo]) -> None:
    copied: list[bytes] = []
    source = fifo()
    pipe = logplex.open(APP, "release.1", a_dyno(), source.path, copy=copied.append)
    with source.filled_by(FLOOD.format(lines=100_000)) as writer:
        await asyncio.to_thread(writer.wait, 60)
    await pipe.finish()
    assert numbers(b"".join(copied).decode().splitlines()) == list(range(100_000))


async def test_a_copy_that_fails_stops_nothing(
    logplex: Logplex, fifo: Callable[[], Fifo], caplog: pytest.LogCaptureFixture
) -> None:
    def fails(data: bytes) -> None:
        raise ValueError("no transcript")

    source = fifo()
    pipe = logplex.open(APP, "release.1", a_dyno(), source.path, copy=fails)
    source.write(b"one\n")
    await until_line(logplex, "one")
    source.write(b"two\n")
    await pipe.finish()
    assert await messages(logplex) == ["one", "two"]
    assert "cannot copy" in caplog.text


async def test_odd_bytes_are_kept_harmless(logplex: Logplex, fifo: Callable[[], Fifo]) -> None:
    source = fifo()
    pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
    source.write(b"nul \x00\r\nbad \xff\n" + "日本\n".encode() + b"\n")
    await pipe.finish()
    assert await messages(logplex) == ["nul \ufffd", "bad \ufffd", "日本", ""]


@pytest.mark.parametrize("seed", range(4))
async def test_any_bytes_in_any_pieces_are_kept_as_they_are_and_shown_harmless(
    logplex: Logplex, layout: Layout, fifo: Callable[[], Fifo], seed: int
) -> None:
    chance = random.Random(seed)
    logplex.set_limit(APP, 4 << 20)  # several segments
    lines = [
        chance.choice(
            [
                chance.randbytes(chance.randrange(60)),
                "日本語 é\U0001f600 ".encode() * chance.randrange(3000),
                b"z" * chance.choice([9_999, 10_000, 10_001, 10_002, 20_000, 60_000]),
                b"\x1b[31mred\x1b[0m\x1b[2J \0\0 carriage\rreturn\r",
            ]
        )
        for _ in range(150)
    ]
    stream = b"\n".join(lines) + b"\n"
    source = fifo()
    pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
    start = 0
    while start < len(stream):
        end = start + chance.choice([1, 7, 5000, 10_000, 100_000])
        await source.write_all(stream[start:end])
        start = end
    await pipe.finish()
    shown = await everything(logplex)
    assert [line.message for line in shown] == [message for message, _, _ in pieces(stream)]
    assert all(
        len(line.message.encode()) <= 3 * 10_000 and "\n" not in line.message for line in shown
    )  # \ufffd has three bytes
    assert events(shown).decode().count("\n\n") == len(shown)
    paths = sorted(layout.logs(APP).glob("web.1~*.log"), key=lambda path: int(path.stem.split("~")[1]))
    assert len(paths) > 1
    assert b"".join(path.read_bytes() for path in paths) == stream


async def test_a_line_that_never_ends_comes_in_parts_and_is_bounded(logplex: Logplex, fifo: Callable[[], Fifo]) -> None:
    source = fifo()
    pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
    source.write(b"a" * 25_000)
    await until_line(logplex, "a" * 10_000)  # although no newline has come
    for _ in range(9):
        with source.filled_by("import sys; sys.stdout.write('a' * 1_000_000)") as writer:
            await asyncio.to_thread(writer.wait, 60)
    source.write(b"\nnext\n")
    await pipe.finish()
    found = [line.message for line in await everything(logplex)]
    assert found[-1] == "next"
    assert sum(map(len, found[:-1])) == 9_025_000
    assert all(len(message) <= 10_000 for message in found)


async def test_idle_pipes_cost_one_descriptor_each(logplex: Logplex, fifo: Callable[[], Fifo], layout: Layout) -> None:
    sources = [fifo() for _ in range(100)]
    pipes = []
    before = len(os.listdir("/proc/self/fd"))
    for number, source in enumerate(sources):
        pipes.append(logplex.open(UUID(int=number + 10), "web.1", a_dyno(), source.path))
        source.write(b"up\n")
        await until_line(logplex, "up", UUID(int=number + 10))
    assert len(os.listdir("/proc/self/fd")) - before <= len(pipes) + 10
    for pipe in pipes:
        await pipe.finish()
    assert len(os.listdir("/proc/self/fd")) - before <= 10


READER = """
import asyncio, sys
from pathlib import Path
from uuid import UUID
from pushd.kit.clock import SystemClock
from pushd.layout import Layout
from pushd.logplex.logplex import Logplex

async def main() -> None:
    data, fifo = map(Path, sys.argv[1:])
    async with Logplex(Layout(data), SystemClock(), limit_bytes=256 << 20) as logplex:
        logplex.open(UUID(int=1), "web.1", UUID(int=2), fifo)
        logplex.say(UUID(int=1), "heroku", "web.1", "reading")
        await logplex.flush()
        print("reading", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_readers_that_are_killed_lose_and_repeat_nothing(layout: Layout, fifo: Callable[[], Fifo]) -> None:
    lines, kills, chance = 120_000, 4, random.Random(7)
    source = fifo()
    with source.filled_by(FLOOD.format(lines=lines)) as writer:
        for _ in range(kills):
            await asyncio.to_thread(_read_and_be_killed, layout, source, writer, chance.randrange(1, 1 << 20))
        async with Logplex(layout, SystemClock(), limit_bytes=256 << 20) as logplex:
            pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
            await asyncio.to_thread(writer.wait, 60)
            await pipe.finish()
            found = await everything(logplex, source="app")
    assert numbers([line.message for line in found]) == list(range(lines))
    assert [line.at for line in found] == sorted(line.at for line in found)


def _read_and_be_killed(layout: Layout, source: Fifo, writer: subprocess.Popen[bytes], after_bytes: int) -> None:
    argv = [sys.executable, "-c", READER, str(layout.data), str(source.path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"reading\n"
        start = _size(layout.logs(APP))
        while writer.poll() is None and _size(layout.logs(APP)) - start < after_bytes:
            pass
        reader.kill()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.log"))


async def test_a_daemon_that_ends_leaves_the_rest_of_a_line_to_the_next(layout: Layout, fifo: Callable[[], Fifo]) -> None:
    source = fifo()
    async with Logplex(layout, SystemClock()) as first:
        first.open(APP, "web.1", a_dyno(), source.path)
        source.write(b"whole\nbegun ")
        await until_line(first, "whole")
    source.write(b"and ended\n")
    async with Logplex(layout, SystemClock()) as second:
        other = fifo()
        newer = second.open(APP, "web.1", a_dyno(), other.path)  # a new dyno of that name must not take its segment
        other.write(b"newer\n")
        await newer.finish()
        pipe = second.open(APP, "web.1", a_dyno(), source.path)
        await pipe.finish()
        assert sorted(await messages(second)) == ["begun and ended", "newer", "whole"]


async def test_the_unfinished_line_of_a_fifo_that_is_gone_is_ended(layout: Layout, fifo: Callable[[], Fifo]) -> None:
    source = fifo()
    async with Logplex(layout, SystemClock()) as first:
        first.open(APP, "web.1", a_dyno(), source.path)
        source.write(b"whole\nbegun")
        await until_line(first, "whole")
    source.path.unlink()
    async with Logplex(layout, SystemClock()) as second:
        assert await messages(second) == ["whole", "begun"]


async def test_a_busy_pipe_starves_no_other(logplex: Logplex, fifo: Callable[[], Fifo]) -> None:
    busy, quiet = fifo(), fifo()
    busy_pipe = logplex.open(APP, "web.1", a_dyno(), busy.path)
    quiet_pipe = logplex.open(APP, "web.2", a_dyno(), quiet.path)
    with busy.filled_by("import sys, select\nwhile not select.select([0], [], [], 0)[0]: sys.stdout.write('y' * 99 + '\\n')"):
        quiet.write(b"heard\n")
        assert await until_line(logplex, "heard", process="web.2")
    await busy_pipe.finish()
    await quiet_pipe.finish()


async def test_who_opens_a_fifo_next_goes_on_where_it_was_left(logplex: Logplex, fifo: Callable[[], Fifo]) -> None:
    source = fifo()
    logplex.open(APP, "web.1", a_dyno(), source.path)
    source.write(b"whole\nbegun ")
    await until_line(logplex, "whole")
    await logplex.leave()
    source.write(b"and ended\n")
    pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
    await pipe.finish()
    assert await messages(logplex) == ["whole", "begun and ended"]
