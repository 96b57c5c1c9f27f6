"""An app that writes more than it may: bounded by its own pipe, or by its limit; whole lines are dropped, counted and told."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.kit.clock import SystemClock
from pushd.layout import Layout
from pushd.logplex.flood import Allowance, lines_begun, plan_share
from pushd.logplex.logplex import Logplex
from tests.fakes import FakeClock
from tests.logplex.conftest import APP, Fifo, a_dyno, everything, until_line

LIMIT = 100
TURN_BYTES = 5 << 20  # a pipe's at most


@pytest.fixture
async def limited(layout: Layout, clock: FakeClock) -> AsyncIterator[Logplex]:
    """Its second is over when the clock is told so."""
    async with Logplex(layout, clock) as made:
        made.set_limit(APP, 64 << 20, lines_per_second=LIMIT)
        yield made


def lines(start: int, end: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(start, end))


async def shown(logplex: Logplex) -> list[str]:
    """The app's own lines, and how many were told as lost."""
    found = await everything(logplex)
    return [
        line.message if line.source == "app" else re.sub(r".*L12 .*-> (\d+) .*", r"\1 lost", line.message) for line in found
    ]


async def test_what_is_above_the_limit_is_dropped_and_counted(
    limited: Logplex, fifo: Callable[[], Fifo], clock: FakeClock
) -> None:
    source = fifo()
    pipe = limited.open(APP, "web.1", a_dyno(), source.path)
    source.write(lines(0, 250))
    await until_line(limited, f"line {LIMIT - 1}")
    await until_lost(limited, 150)
    clock.tick(1)
    source.write(lines(250, 260))
    await pipe.finish()
    expected = [f"line {number}" for number in (*range(LIMIT), *range(250, 260))]
    assert [line for line in await shown(limited) if not line.endswith("lost")] == expected
    assert [line for line in await shown(limited) if line.endswith("lost")] == ["150 lost"]


async def until_lost(logplex: Logplex, count: int) -> None:
    async with asyncio.timeout(20):
        while f"{count} lost" not in await shown(logplex):
            pass


async def test_at_the_limit_nothing_is_dropped(limited: Logplex, fifo: Callable[[], Fifo], clock: FakeClock) -> None:
    source = fifo()
    pipe = limited.open(APP, "web.1", a_dyno(), source.path)
    for second in range(5):
        source.write(lines(second * LIMIT, (second + 1) * LIMIT))
        await until_line(limited, f"line {(second + 1) * LIMIT - 1}")
        clock.tick(1)
    await pipe.finish()
    assert await shown(limited) == [f"line {number}" for number in range(5 * LIMIT)]


async def test_all_dynos_of_an_app_share_its_limit_and_other_apps_have_none(limited: Logplex, fifo: Callable[[], Fifo]) -> None:
    sources, other = [fifo(), fifo()], fifo()
    pipes = [limited.open(APP, f"web.{number}", a_dyno(), each.path) for number, each in enumerate(sources, 1)]
    pipes.append(limited.open(UUID(int=2), "web.1", a_dyno(), other.path))
    for source in (*sources, other):
        source.write(lines(0, 80))
    for pipe in pipes:
        await pipe.finish()
    found = await shown(limited)
    assert len([line for line in found if line.startswith("line")]) == LIMIT
    assert sum(int(line.split()[0]) for line in found if line.endswith("lost")) == 60
    assert len(await everything(limited, UUID(int=2))) == 80


async def test_a_line_that_was_begun_is_kept_whole(limited: Logplex, fifo: Callable[[], Fifo]) -> None:
    source = fifo()
    pipe = limited.open(APP, "web.1", a_dyno(), source.path)
    source.write(lines(0, LIMIT - 1) + b"begun")
    await until_line(limited, f"line {LIMIT - 2}")
    source.write(b" and ended\nlost\nbegun too late")
    await until_lost(limited, 1)
    source.write(b" and lost\nwithout end")
    await pipe.finish()
    found = [line for line in await shown(limited) if not line.endswith("lost")]
    assert found == [*(f"line {number}" for number in range(LIMIT - 1)), "begun and ended", "without end"]
    assert await lost(limited) == 2


async def lost(logplex: Logplex) -> int:
    return sum(int(line.split()[0]) for line in await shown(logplex) if line.endswith(" lost"))


async def test_a_flood_is_not_kept_waiting_and_every_line_is_accounted_for(limited: Logplex, fifo: Callable[[], Fifo]) -> None:
    source = fifo()
    pipe = limited.open(APP, "web.1", a_dyno(), source.path)
    code = "import sys\nfor number in range(300_000): sys.stdout.write(f'line {number}\\n')"
    with source.filled_by(code) as writer:
        await asyncio.to_thread(writer.wait, 60)  # although the second is never over
    await pipe.finish()
    assert [line for line in await shown(limited) if line.startswith("line")] == [f"line {n}" for n in range(LIMIT)]
    assert await lost(limited) == 300_000 - LIMIT


async def test_a_limit_that_is_taken_away_holds_no_longer(limited: Logplex, fifo: Callable[[], Fifo]) -> None:
    source = fifo()
    pipe = limited.open(APP, "web.1", a_dyno(), source.path)
    source.write(lines(0, LIMIT + 1))
    await until_lost(limited, 1)
    limited.set_limit(APP, 64 << 20)
    source.write(lines(0, 3 * LIMIT))
    await pipe.finish()
    assert len(await shown(limited)) == LIMIT + 1 + 3 * LIMIT


@given(
    parts=st.lists(st.one_of(st.just(b"\n"), st.binary(max_size=5)), max_size=30),
    allowed=st.integers(0, 12),
    line_is_open=st.booleans(),
)
def test_a_share_has_whole_lines_and_no_more_than_allowed(parts: list[bytes], allowed: int, line_is_open: bool) -> None:
    data = b"".join(parts)
    share = plan_share(data, allowed, line_is_open=line_is_open)
    kept = data[: share.kept_bytes]
    dropped, waiting = data[share.kept_bytes :][: share.dropped_bytes], data[share.kept_bytes + share.dropped_bytes :]
    assert lines_begun(kept, line_is_open=line_is_open) <= allowed
    assert dropped.count(b"\n") == share.dropped_lines
    if kept != data:
        assert kept.endswith(b"\n") or not (kept or line_is_open)
        assert dropped.endswith(b"\n") or not dropped
        assert b"\n" not in waiting
        assert lines_begun(data, line_is_open=line_is_open) > allowed


def test_an_allowance_is_for_one_second(clock: FakeClock) -> None:
    allowance = Allowance(clock)
    assert allowance.take(1000) == 1000
    allowance.lines_per_second = 10
    clock.tick(5)
    assert [allowance.take(6), allowance.take(6), allowance.take(6)] == [6, 4, 0]
    clock.tick(0.9)
    assert allowance.take(1) == 0
    clock.tick(0.2)
    assert allowance.take(6) == 6


FLOOD = "import select, sys\nwhile not select.select([0], [], [], 0)[0]: sys.stdout.write('y' * 99 + '\\n')"


@pytest.mark.parametrize("floods", [1, 8])
async def test_floods_keep_no_quiet_dyno_waiting(layout: Layout, fifo: Callable[[], Fifo], floods: int) -> None:
    """In the order of the log, not in time: before a quiet line comes, each of the floods has a few turns at most."""
    turns = 4  # one under way, one in the queue, and two for the loop to see that the line has come
    async with Logplex(layout, SystemClock(), limit_bytes=1 << 30) as logplex:
        quiet, sources = fifo(), [fifo() for _ in range(floods)]
        pipes = [logplex.open(APP, f"flood.{number}", a_dyno(), each.path) for number, each in enumerate(sources, 1)]
        pipes.append(logplex.open(APP, "web.1", a_dyno(), quiet.path))
        async with flooding(sources) as writers:
            for number in range(1, floods + 1):
                await until_line(logplex, "y" * 99, process=f"flood.{number}")
            for number in range(3):
                before = max(last.sequence for _, last in logplex._log(APP).visible())
                quiet.write(b"heard %d\n" % number)
                line = await until_line(logplex, f"heard {number}", process="web.1")
                flooded = bytes_between(logplex, before, int(line.id.partition("-")[0]))
                assert flooded <= floods * turns * TURN_BYTES
            assert [writer.poll() for writer in writers] == [None] * floods
        for pipe in pipes:
            await pipe.finish()


@contextlib.asynccontextmanager
async def flooding(sources: Sequence[Fifo]) -> AsyncIterator[list[subprocess.Popen[bytes]]]:
    """A program for each, that writes without pause for as long as the block lasts."""
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(source.filled_by(FLOOD, stdin=subprocess.PIPE)) for source in sources]
        try:
            yield writers
        finally:
            for writer in writers:
                await asyncio.to_thread(writer.communicate)


def bytes_between(logplex: Logplex, after: int, before: int) -> int:
    """How much the floods had moved between two stamps."""
    total = 0
    for segment, _ in logplex._log(APP).visible():
        if segment.process.startswith("flood"):
            with segment.stamps() as stamps:
                ends = [0, *(stamp.end for stamp in stamps)]
                total += sum(
                    ends[index + 1] - ends[index] for index, stamp in enumerate(stamps) if after < stamp.sequence < before
                )
    return total
