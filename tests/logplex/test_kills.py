"""The process that reads is killed -9 and started again, many times, while programs write: every byte once and in order.

The test holds each FIFO open, as the shim of a dyno does.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from uuid import UUID

import pytest

from pushd.crash_points import CRASH_POINTS
from pushd.kit.clock import SystemClock
from pushd.layout import Layout
from pushd.logplex.logplex import Logplex
from tests.logplex.conftest import APP, Fifo, a_dyno, everything

POINTS = [name for name in CRASH_POINTS if name.startswith("log.")]
LIMIT_BYTES = 24 << 20  # segments of 2.4 MB

# Writes numbered lines until its input ends, one stream per FIFO and all in turn; cuts fall anywhere. The last line of each
# stream has no end. Then it says how many lines each has.
WRITER = """
import os, random, select, sys
chance = random.Random(int(sys.argv[1]))
at_least = int(sys.argv[2])
fifos = [os.open(path, os.O_WRONLY) for path in sys.argv[3:]]
counts, waiting = [0] * len(fifos), [b""] * len(fifos)

def lines(start):
    for number in range(start, start + 50):
        size = 30_000 if number % 997 == 996 else number % 151
        yield b"line %07d " % number + (b"\\xff\\x00\\x1b" if number % 13 == 0 else b"") + b"." * size + b"\\n"

def write(descriptor, data):
    while data:
        data = data[os.write(descriptor, data):]

while min(counts) < at_least or not select.select([0], [], [], 0)[0]:
    for which, descriptor in enumerate(fifos):
        data = waiting[which] + b"".join(lines(counts[which]))
        counts[which] += 50
        cut = chance.randrange(len(data))
        write(descriptor, data[:cut])
        waiting[which] = data[cut:]
for which, descriptor in enumerate(fifos):
    write(descriptor, waiting[which] + b"line %07d and no end" % counts[which])
print(*counts)
"""

READER = """
import asyncio, sys
from pathlib import Path
from uuid import UUID
from pushd.kit import crash
from pushd.kit.clock import SystemClock
from pushd.layout import Layout
from pushd.logplex.logplex import Logplex

async def main(data, limit_bytes, lines_per_second, point, passing, *fifos) -> None:
    if point:
        crash.arm(point, passing=int(passing))
    async with Logplex(Layout(Path(data)), SystemClock(), limit_bytes=int(limit_bytes)) as logplex:
        for number, fifo in enumerate(fifos, 1):
            logplex.set_limit(UUID(int=number), int(limit_bytes), lines_per_second=int(lines_per_second) or None)
            logplex.open(UUID(int=number), "web.1", UUID(int=number), Path(fifo))
        print("reading", flush=True)
        for number in range(1 << 30):
            logplex.say(UUID(int=1), "heroku", "router", f"request {number} " + "r" * 3000)
            await asyncio.sleep(0.001)

asyncio.run(main(*sys.argv[1:]))
"""


class Stage:
    """FIFOs that are being written, and readers of them that are killed."""

    def __init__(self, layout: Layout, fifos: Sequence[Fifo], *, limit_bytes: int, lines_per_second: int, seed: int) -> None:
        self.layout = layout
        self.fifos = fifos
        self.limit_bytes = limit_bytes
        self.lines_per_second = lines_per_second
        self.chance = random.Random(seed)
        self.counts: list[int] = []  # lines of each FIFO with an end, once the writer has ended

    @contextlib.contextmanager
    def written(self, *, at_least: int) -> Iterator[subprocess.Popen[bytes]]:
        argv = [sys.executable, "-c", WRITER, "1", str(at_least), *(str(fifo.path) for fifo in self.fifos)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
            try:
                yield writer
                assert writer.stdout is not None
                self.counts = [int(count) for count in writer.stdout.read().split()]
                assert writer.wait(60) == 0
            finally:
                writer.kill()

    def read_until_killed(self, *, point: str = "", passing: int = 1, moved_bytes: int = 0) -> None:
        """A reader that dies at that point, or once it has moved so many bytes."""
        limits = [str(self.limit_bytes), str(self.lines_per_second)]
        argv = [sys.executable, "-c", READER, str(self.layout.data), *limits, point, str(passing)]
        with subprocess.Popen([*argv, *(str(fifo.path) for fifo in self.fifos)], stdout=subprocess.PIPE) as reader:
            assert reader.stdout is not None
            assert reader.stdout.readline() == b"reading\n" or point
            start = self._size()
            while not point and self._size() - start < moved_bytes and reader.poll() is None:
                pass
            if not point:
                reader.kill()
            assert reader.wait(60) == -signal.SIGKILL

    async def read_to_the_end(self, writer: subprocess.Popen[bytes]) -> list[list[str]]:
        """The last reader: what each app's log shows when the writer has ended."""
        async with Logplex(self.layout, SystemClock(), limit_bytes=self.limit_bytes) as logplex:
            apps = [UUID(int=number) for number in range(1, len(self.fifos) + 1)]
            pipes = [logplex.open(app, "web.1", app, fifo.path) for app, fifo in zip(apps, self.fifos, strict=True)]
            assert writer.stdin is not None
            writer.stdin.close()
            await asyncio.to_thread(writer.wait, 60)
            for pipe in pipes:
                await pipe.finish()
            found = []
            for app in apps:
                lines = await everything(logplex, app, source="app")
                assert [line.at for line in lines] == sorted(line.at for line in lines)
                found.append([line.message for line in lines])
            return found

    def stream(self, app: int) -> bytes:
        """All bytes of an app's dyno that are on the disk."""
        paths = sorted(self.layout.logs(UUID(int=app)).glob("web.1~*.log"), key=lambda path: int(path.stem.split("~")[1]))
        return b"".join(path.read_bytes() for path in paths)

    def _size(self) -> int:
        return sum(path.stat().st_size for path in self.layout.data.glob("logs/*/web.1~*.log"))


def written(count: int) -> bytes:
    """What the writer has written into one FIFO."""
    lines = []
    for number in range(count):
        size = 30_000 if number % 997 == 996 else number % 151
        odd = b"\xff\x00\x1b" if number % 13 == 0 else b""
        lines.append(b"line %07d " % number + odd + b"." * size + b"\n")
    return b"".join(lines) + b"line %07d and no end" % count


def beginnings(messages: Sequence[str]) -> list[int]:
    """The numbers of the lines, in the order in which they are shown; long ones have several parts."""
    return [int(message[5:12]) for message in messages if not message.startswith(".")]


@pytest.fixture
def stage(layout: Layout, fifo: Callable[[], Fifo]) -> Callable[..., Stage]:
    def make(fifos: int = 1, *, limit_bytes: int = LIMIT_BYTES, lines_per_second: int = 0, seed: int = 7) -> Stage:
        made = [fifo() for _ in range(fifos)]
        return Stage(layout, made, limit_bytes=limit_bytes, lines_per_second=lines_per_second, seed=seed)

    return make


async def lose_nothing(stage: Stage, kill: Callable[[], None], *, at_least: int = 0) -> None:
    with stage.written(at_least=at_least) as writer:
        await asyncio.to_thread(kill)
        shown = await stage.read_to_the_end(writer)
    for app, (count, messages) in enumerate(zip(stage.counts, shown, strict=True), 1):
        assert beginnings(messages) == list(range(count + 1))
        assert stage.stream(app) == written(count) + b"\n"  # the last line was ended when its dyno was


async def lose_the_oldest_only(stage: Stage, kill: Callable[[], None]) -> None:
    with stage.written(at_least=0) as writer:
        await asyncio.to_thread(kill)
        ((*messages,),) = await stage.read_to_the_end(writer)
    (count,) = stage.counts
    shown = beginnings(messages)
    assert shown == list(range(shown[0], count + 1))
    assert (written(count) + b"\n").endswith(stage.stream(1))


async def test_killed_at_each_point(stage: Callable[..., Stage]) -> None:
    one = stage()

    def kill() -> None:
        for point in POINTS:
            if point != "log.drop-begun":
                one.read_until_killed(point=point)

    await lose_nothing(one, kill)


async def test_killed_while_the_oldest_are_dropped(stage: Callable[..., Stage]) -> None:
    small = stage(limit_bytes=1 << 20)

    def kill() -> None:
        for passing in (1, 3):
            small.read_until_killed(point="log.drop-begun", passing=passing)

    await lose_the_oldest_only(small, kill)
    folder = small.layout.logs(APP)
    assert {path.stem for path in folder.glob("*.stamps")} == {path.stem for path in folder.glob("*.log")}


async def test_killed_while_a_flood_is_dropped(stage: Callable[..., Stage]) -> None:
    """Only whole lines are dropped, also by a daemon that dies, and those that are kept stay in order."""
    flooding = stage(lines_per_second=300)

    def kill() -> None:
        for passing in (2, 3, 4):
            flooding.read_until_killed(point="log.moved", passing=passing)

    with flooding.written(at_least=20_000) as writer:
        await asyncio.to_thread(kill)
        await flooding.read_to_the_end(writer)
    (count,) = flooding.counts
    everything_written = written(count).split(b"\n")
    kept = flooding.stream(1).removesuffix(b"\n").split(b"\n")
    numbers = [int(line[5:12]) for line in kept]
    assert numbers == sorted(set(numbers))
    assert kept == [everything_written[number] for number in numbers]


async def test_killed_at_random(stage: Callable[..., Stage]) -> None:
    one = stage()

    def kill() -> None:
        for _ in range(4):
            one.read_until_killed(moved_bytes=one.chance.randrange(1, 1 << 20))

    await lose_nothing(one, kill)


async def test_killed_with_two_hundred_dynos(stage: Callable[..., Stage]) -> None:
    many = stage(200)

    def kill() -> None:
        for _ in range(2):
            many.read_until_killed(moved_bytes=many.chance.randrange(1, 1 << 21))

    await lose_nothing(many, kill, at_least=150)


@pytest.mark.long
@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_a_point_again_and_again(stage: Callable[..., Stage], point: str) -> None:
    drops = point == "log.drop-begun"
    one = stage(limit_bytes=1 << 20 if drops else 256 << 20)

    def kill() -> None:
        for _ in range(6):
            one.read_until_killed(point=point, passing=one.chance.randrange(1, 6))

    await (lose_the_oldest_only if drops else lose_nothing)(one, kill)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
async def test_killed_at_random_again_and_again(stage: Callable[..., Stage], seed: int) -> None:
    one = stage(limit_bytes=256 << 20, seed=seed)

    def kill() -> None:
        for _ in range(40):
            one.read_until_killed(moved_bytes=one.chance.randrange(1, 1 << 21))

    await lose_nothing(one, kill)


@pytest.mark.long
async def test_killed_with_two_hundred_dynos_again_and_again(stage: Callable[..., Stage]) -> None:
    many = stage(200)

    def kill() -> None:
        for _ in range(20):
            many.read_until_killed(moved_bytes=many.chance.randrange(1, 1 << 22))

    await lose_nothing(many, kill, at_least=500)


async def test_a_program_ends_in_the_middle_of_a_line_while_nobody_reads(stage: Callable[..., Stage]) -> None:
    one = stage()
    (source,) = one.fifos
    code = "import os; os.write(1, b'Traceback:\\nValue'); os.read(0, 1); os.write(1, b'Error: no')"
    with source.filled_by(code, stdin=subprocess.PIPE) as program:
        await asyncio.to_thread(one.read_until_killed, moved_bytes=len("Traceback:\nValue"))
        program.communicate(b"go on")
    async with Logplex(one.layout, SystemClock()) as logplex:
        pipe = logplex.open(APP, "web.1", a_dyno(), source.path)
        await pipe.finish()
        assert [line.message for line in await everything(logplex, source="app")] == ["Traceback:", "ValueError: no"]
