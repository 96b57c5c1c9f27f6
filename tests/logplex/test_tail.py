"""What readers see: the last lines, the live ones, those after an id, what was missed."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from uuid import UUID

import pytest

from pushd.kit.clock import SystemClock
from pushd.layout import Layout
from pushd.logplex import logplex as module
from pushd.logplex.logplex import Logplex
from pushd.model.logline import LogLine
from tests.fakes import FakeClock
from tests.logplex.conftest import APP, Fifo, a_dyno, everything, lines_of, messages, shown, until_line


async def take(tail: AsyncIterator[LogLine | None], count: int) -> list[LogLine]:
    found: list[LogLine] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            if line := await anext(tail):
                found.append(line)
    return found


async def test_nothing_was_said(logplex: Logplex, layout: Layout) -> None:
    assert await shown(logplex) == []
    assert not layout.logs(APP).exists()


async def test_the_last_lines_and_no_more(logplex: Logplex) -> None:
    for number in range(3000):
        logplex.say(APP, "heroku", "router", f"request {number}")
    assert await messages(logplex, lines=2) == ["request 2998", "request 2999"]
    assert await messages(logplex, lines=0) == []
    assert await messages(logplex, lines=-1) == []
    assert len(await messages(logplex, lines=99_999)) == 1500


async def test_lines_of_all_processes_come_in_the_order_of_their_time(logplex: Logplex, fifo: Callable[[], Fifo]) -> None:
    source = fifo()
    pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
    expected = []
    for number in range(10):
        logplex.say(APP, "heroku", "web.1", f"platform {number}")
        await logplex.flush()
        source.write(b"app %d\n" % number)
        await until_line(logplex, f"app {number}")
        expected += [f"platform {number}", f"app {number}"]
    assert await messages(logplex) == expected
    assert await messages(logplex, lines=3) == expected[-3:]
    assert await messages(logplex, source="app") == expected[1::2]
    assert await messages(logplex, source="heroku", process="web") == expected[::2]
    assert await messages(logplex, process="worker") == []
    assert [line.message for line in await everything(logplex)] == expected
    await pipe.finish()


async def test_a_tail_goes_on_live(logplex: Logplex, fifo: Callable[[], Fifo]) -> None:
    source = fifo()
    pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
    logplex.say(APP, "app", "api", "before")
    async with contextlib.aclosing(lines_of(logplex.tail(APP, follow=True))) as tail:
        assert [line.message for line in await take(tail, 1)] == ["before"]
        source.write(b"one\ntwo\n")
        assert [line.message for line in await take(tail, 2)] == ["one", "two"]
        logplex.say(APP, "app", "api", "three")
        assert (await take(tail, 1))[0].text().endswith(" app[api]: three")
    await pipe.finish()


async def test_a_reconnect_at_any_line_goes_on_without_gap_or_repeat(layout: Layout, fifo: Callable[[], Fifo]) -> None:
    chance = random.Random(3)
    async with Logplex(layout, SystemClock(), limit_bytes=4 << 20) as first:  # many small segments
        sources = [fifo(), fifo()]
        pipes = [first.open(APP, f"web.{n}", a_dyno(), each.path) for n, each in enumerate(sources)]
        for number in range(300):
            which = chance.choice(sources)
            await which.write_all(b"%d %s\n" % (number, b"z" * chance.choice([0, 90, 700, 10_001, 23_456])))
            if number % 10 == 0:
                first.say(APP, "heroku", "router", f"request {number}")
        for pipe in pipes:
            await pipe.finish()
        lines = await everything(first)
        assert len({line.id for line in lines}) == len(lines)
        for line in [lines[0], lines[-1], *chance.sample(lines, 40)]:
            assert await shown(first, after=line.id) == lines[lines.index(line) + 1 :]
    async with Logplex(layout, SystemClock(), limit_bytes=4 << 20) as second:
        assert await everything(second) == lines
        assert await shown(second, lines=1500) == lines[-1500:]
        for line in chance.sample(lines, 20):
            assert await shown(second, after=line.id) == lines[lines.index(line) + 1 :]


async def test_a_reconnect_is_told_what_was_dropped_meanwhile(layout: Layout, fifo: Callable[[], Fifo]) -> None:
    width, limit = 50, 1 << 20
    first_half, second_half = [range(0, 10_000), range(10_000, 60_000)]
    source = fifo()
    async with Logplex(layout, SystemClock(), limit_bytes=limit) as first:
        first.open(APP, "web.1", a_dyno(), source.path)
        await source.write_all(b"".join(b"%d\n" % number for number in first_half))
        last = await until_line(first, f"{first_half[-1]}")
        seen = [line for line in await everything(first) if line.message in ("5", "7777")]
    async with Logplex(layout, SystemClock(), limit_bytes=limit) as second:  # nobody reads while it drops
        pipe = second.open(APP, "web.1", a_dyno(), source.path)
        await source.write_all(b"".join(str(number).zfill(width).encode() + b"\n" for number in second_half))
        await pipe.finish()
    async with Logplex(layout, SystemClock(), limit_bytes=limit) as third:
        assert int((await everything(third))[0].message) > second_half[0]
        for line in (*seen, last):
            overflow, *rest = await shown(third, after=line.id)
            missed = int(overflow.message.split(" -> ")[1].split()[0])
            assert [int(each.message) for each in rest] == list(range(int(line.message) + missed + 1, second_half[-1] + 1))


@pytest.mark.parametrize("after", ["", "x", "1", "-1-5", "1-2-3-4", "9" * 30 + "-1"])
async def test_what_is_no_id_counts_as_none(logplex: Logplex, after: str) -> None:
    logplex.say(APP, "app", "api", "one")
    assert await messages(logplex, after=after) == ["one"]


@pytest.mark.parametrize("after", ["999999-0", "1-999999999", "999999999999-999999999"])
async def test_an_id_that_never_was_breaks_nothing(logplex: Logplex, after: str) -> None:
    logplex.say(APP, "app", "api", "one")
    assert await messages(logplex, after=after) == []


async def test_a_filtered_reader_finds_its_line_behind_many_others(logplex: Logplex) -> None:
    logplex.say(APP, "app", "api", "mine 1")
    for number in range(9000):
        logplex.say(APP, "heroku", "router", f"request {number} {'.' * 80}")
    logplex.say(APP, "app", "api", "mine 2")
    assert await messages(logplex, process="api") == ["mine 1", "mine 2"]
    assert [line.message for line in await everything(logplex, process="api")] == ["mine 1", "mine 2"]


async def test_a_reader_that_is_too_slow_is_told_how_much_it_missed(layout: Layout, fifo: Callable[[], Fifo]) -> None:
    total, width = 40_000, 50
    async with Logplex(layout, SystemClock(), limit_bytes=1 << 20) as logplex:
        source = fifo()
        pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
        source.write(b"first\n")
        async with contextlib.aclosing(lines_of(logplex.tail(APP, follow=True))) as tail:
            assert [line.message for line in await take(tail, 1)] == ["first"]
            with source.filled_by(f"for number in range({total}): print(str(number).zfill({width}))") as writer:
                await asyncio.to_thread(writer.wait, 60)  # the tail's reader is away
            source.write(b"last\n")
            await pipe.finish()
            overflow, *rest = await until_message(tail, "last")
        assert (overflow.source, overflow.process) == ("heroku", "logplex")
        assert overflow.message.startswith("Error L11 (Tail buffer overflow) -> ")
        missed = int(overflow.message.split(" -> ")[1].split()[0])
        assert missed > 0
        assert [line.message for line in rest[:-1]] == [str(n).zfill(width) for n in range(missed, total)]
        assert sum(path.stat().st_size for path in layout.logs(APP).iterdir()) <= 1.1 * (1 << 20)


async def until_message(tail: AsyncIterator[LogLine | None], message: str) -> list[LogLine]:
    found: list[LogLine] = []
    async with asyncio.timeout(20):
        while not found or found[-1].message != message:
            if line := await anext(tail):
                found.append(line)
    return found


async def test_silence_gives_a_heartbeat(logplex: Logplex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HEARTBEAT_SECONDS", 0.01)
    async with contextlib.aclosing(lines_of(logplex.tail(APP, follow=True))) as tail:
        assert await anext(tail) is None
        assert await anext(tail) is None
        logplex.say(APP, "app", "api", "again")
        assert [line.message for line in await take(tail, 1)] == ["again"]


async def test_destroying_an_app_ends_its_tails_and_keeps_nothing(
    logplex: Logplex, layout: Layout, fifo: Callable[[], Fifo]
) -> None:
    source = fifo()
    pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
    source.write(b"up\n")
    tail = lines_of(logplex.tail(APP, follow=True))
    assert [line.message for line in await take(tail, 1)] == ["up"]
    logplex.say(APP, "heroku", "web.1", "late")
    await logplex.destroy(APP)
    await logplex.destroy(APP)
    logplex.say(APP, "heroku", "router", "later")
    await logplex.flush()
    async with asyncio.timeout(20):
        assert [line async for line in tail if line and line.message != "late"] == []
    assert await shown(logplex, follow=True) == []
    await pipe.finish()
    assert not layout.logs(APP).exists()


async def test_the_end_of_the_daemon_ends_tails_with_all_lines(layout: Layout) -> None:
    async with Logplex(layout, SystemClock()) as logplex:
        tail = lines_of(logplex.tail(APP, follow=True))
        logplex.say(APP, "app", "api", "hello")
        assert [line.message for line in await take(tail, 1)] == ["hello"]
        reading = asyncio.ensure_future(_all(tail))
        await asyncio.sleep(0)
        logplex.say(APP, "app", "api", "bye")
    assert [line.message for line in await reading] == ["bye"]


async def test_a_tail_that_nobody_reads_keeps_no_daemon_from_ending(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LAST_READ_SECONDS", 0.01)
    async with Logplex(layout, SystemClock()) as logplex:
        tail = lines_of(logplex.tail(APP, follow=True))
        logplex.say(APP, "app", "api", "hello")
        await take(tail, 1)
    assert await _all(tail) == []


async def _all(tail: AsyncIterator[LogLine | None]) -> list[LogLine]:
    return [line async for line in tail if line]


async def test_many_tails_at_once(logplex: Logplex, fifo: Callable[[], Fifo]) -> None:
    source = fifo()
    pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
    source.write(b"ready\n")

    async def follow(count: int) -> list[str]:
        async with contextlib.aclosing(lines_of(logplex.tail(APP, lines=1500, follow=True))) as tail:
            return [line.message for line in await take(tail, count)]

    tails = [asyncio.ensure_future(follow(101)) for _ in range(200)]
    for number in range(100):
        source.write(b"%d\n" % number)
        await asyncio.sleep(0)
    for found in await asyncio.gather(*tails):
        assert found == ["ready", *map(str, range(100))]
    await pipe.finish()


async def test_time_does_not_go_back_in_a_log_when_a_clock_is_adjusted(layout: Layout) -> None:
    clock = FakeClock()
    async with Logplex(layout, clock) as logplex:
        logplex.say(APP, "app", "api", "one")
        await logplex.flush()
        clock.tick(-3)
        logplex.say(APP, "app", "api", "two")
        first, second = await shown(logplex)
        assert second.at - first.at == timedelta(0)


async def test_a_clock_that_was_wrong_leaves_its_time_to_its_own_lines(layout: Layout) -> None:
    """Order comes from elsewhere: tails, the last lines and going on after an id show the lines as they came."""
    clock = FakeClock()
    right = clock.now()
    clock.tick(70 * 365 * 86400)
    async with Logplex(layout, clock) as logplex:
        logplex.say(APP, "app", "api", "too late")
        await logplex.flush()
        clock.tick((right - clock.now()).total_seconds())
        logplex.say(APP, "app", "api", "set right")
        await logplex.flush()
    async with Logplex(layout, clock) as logplex:
        clock.tick(1)
        logplex.say(APP, "app", "api", "started anew")
        first, *others = await shown(logplex)
        assert [line.message for line in (first, *others)] == ["too late", "set right", "started anew"]
        assert [line.at - right for line in others] == [timedelta(0), timedelta(seconds=1)]
        assert await messages(logplex, after=first.id) == ["set right", "started anew"]
        assert await messages(logplex, lines=1) == ["started anew"]


async def test_apps_are_apart(logplex: Logplex) -> None:
    logplex.say(APP, "app", "api", "mine")
    logplex.say(UUID(int=2), "app", "api", "theirs")
    assert await messages(logplex) == ["mine"]
    assert await messages(logplex, UUID(int=2)) == ["theirs"]
