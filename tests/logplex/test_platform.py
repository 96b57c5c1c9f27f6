"""The platform's own lines: at once, bounded, counted when lost."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from uuid import UUID

import pytest

from pushd.logplex.logplex import Logplex
from pushd.logplex.platform import PlatformLines
from tests.fakes import FakeClock
from tests.logplex.conftest import APP, messages, shown


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", [""]),
        ("one\ntwo\r\nthree\n", ["one", "two", "three"]),
        ("a\ttab", ["a\ttab"]),
        ("\x1b[2J", ["\ufffd[2J"]),
        ("\ud800", ["?"]),
    ],
)
async def test_what_is_said_is_shown(logplex: Logplex, said: str, expected: list[str]) -> None:
    logplex.say(APP, "heroku", "web.1", said)
    assert await messages(logplex) == expected


async def test_a_long_message_becomes_several_lines(logplex: Logplex) -> None:
    logplex.say(APP, "heroku", "web.1", "é" * 12_000)
    lines = await shown(logplex)
    assert len(lines) == 3
    assert "".join(line.message for line in lines) == "é" * 12_000
    assert {line.process for line in lines} == {"web.1"}


class Disk:
    """Where the lines go: full or not."""

    def __init__(self) -> None:
        self.full = False
        self.lines: dict[UUID, list[str]] = {}

    async def append(self, app_id: UUID, lines: Sequence[bytes]) -> None:
        await asyncio.sleep(0)
        if self.full:
            raise OSError(28, os.strerror(28))
        self.lines.setdefault(app_id, []).extend(line.decode().split("\t")[2] for line in lines)


async def test_lines_wait_for_room_and_what_overflows_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushd.logplex.platform._WAITING_LINES", 3)
    disk = Disk()
    lines = PlatformLines(disk.append, FakeClock())
    running = asyncio.ensure_future(lines.run())
    disk.full = True
    for number in range(5):
        lines.say(APP, "app", "api", f"{number}")
    lines.say(UUID(int=2), "app", "api", "of another app")
    await lines.flush()
    disk.full = False
    await lines.flush()
    assert disk.lines[APP] == [
        "Error L12 (Local buffer overflow) -> 2 messages dropped since 2026-01-02T03:04:05+00:00.", "2", "3", "4",
    ]  # fmt: skip
    assert disk.lines[UUID(int=2)] == ["of another app"]
    lines.lose(APP, 7)  # of a pipe; nobody says anything more
    await lines.flush()
    assert "7 messages dropped" in disk.lines[APP][-1]
    running.cancel()
    await asyncio.wait({running})


async def test_flush_ends_although_others_go_on_talking() -> None:
    disk = Disk()
    lines = PlatformLines(disk.append, FakeClock())
    running = asyncio.ensure_future(lines.run())

    async def talk() -> None:
        while True:
            lines.say(APP, "heroku", "router", "again")
            await asyncio.sleep(0)

    talking = asyncio.ensure_future(talk())
    lines.say(UUID(int=2), "app", "api", "wanted")
    async with asyncio.timeout(10):
        await lines.flush()
    assert disk.lines[UUID(int=2)] == ["wanted"]
    for task in (talking, running):
        task.cancel()
    await asyncio.wait({talking, running})


async def test_a_flood_of_losses_is_told_once_a_second(clock: FakeClock) -> None:
    disk = Disk()
    lines = PlatformLines(disk.append, clock)
    running = asyncio.ensure_future(lines.run())

    async def until(count: int) -> list[str]:
        for _ in range(100):
            await asyncio.sleep(0)
        found = disk.lines[APP]
        assert len(found) == count
        return [re.sub(r".*-> (\d+) .*", r"\1", line) for line in found]

    lines.lose(APP, 1)
    assert await until(1) == ["1"]
    for number in range(5):
        lines.lose(APP, 2)
        lines.say(APP, "app", "api", f"meanwhile {number}")
        assert (await until(number + 2))[-1] == f"meanwhile {number}"
    clock.tick(1)
    lines.lose(APP, 1)
    assert (await until(7))[-1] == "11"
    lines.lose(APP, 5)
    await lines.flush()  # a reader is there
    assert (await until(8))[-1] == "5"
    running.cancel()
    await asyncio.wait({running})
