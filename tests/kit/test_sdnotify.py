from __future__ import annotations

import asyncio
import socket
import sqlite3
import threading
from pathlib import Path

import pytest

from pushd.kit.aio import Nursery, in_thread
from pushd.kit.proc import readable
from pushd.kit.sdnotify import keep_telling, notify, watchdog_seconds
from pushd.store.database import open_database
from tests.fakes import FakeClock


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_hears_each_state_as_one_message(tmp_path: Path, abstract: bool) -> None:
    address = f"@pushd-test-{tmp_path.name}-{id(tmp_path)}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + address[1:] if abstract else address)
        manager.settimeout(10)

        notify(address, "READY=1")
        notify(address, "STOPPING=1")

        assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"STOPPING=1"]


@pytest.mark.parametrize("address", [None, "", "/nowhere/notify"])
def test_without_a_manager_nothing_happens(address: str | None) -> None:
    notify(address, "READY=1")


@pytest.mark.parametrize(("environ", "seconds"), [
    ({}, None), ({"WATCHDOG_USEC": "30000000"}, 30.0), ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "7"}, 0.5),
    ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None), ({"WATCHDOG_USEC": "0"}, None),
    ({"WATCHDOG_USEC": "soon"}, None),
])  # fmt: skip
def test_the_watchdog_is_obeyed_if_it_is_meant_for_us(environ: dict[str, str], seconds: float | None) -> None:
    assert watchdog_seconds(environ, pid=7) == seconds


async def test_the_watchdog_hears_nothing_while_the_store_does_not_answer(tmp_path: Path, clock: FakeClock) -> None:
    database = await open_database(tmp_path / "store.sqlite3")
    held, go_on = threading.Event(), threading.Event()

    def hang(_: sqlite3.Connection) -> None:
        held.set()
        go_on.wait(30)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        async with Nursery("test") as nursery:
            nursery.start(keep_telling(str(tmp_path / "notify"), 30.0, database.answer, clock), name="tell")
            await heard(manager)
            hanging = nursery.start(database.transact(hang), name="hang")
            await in_thread(held.wait)
            await clock.advance(10)
            assert await database.read(lambda connection: True)  # the reader's thread and the loop do answer
            with pytest.raises(BlockingIOError):
                manager.recv(100)
            go_on.set()
            await hanging
            await heard(manager)
    await database.close()


async def heard(manager: socket.socket) -> None:
    await asyncio.wait_for(readable(manager.fileno()), 30)
    assert manager.recv(100) == b"WATCHDOG=1"
