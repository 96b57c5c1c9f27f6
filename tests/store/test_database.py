from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from pushd.errors import DiskFull, Unavailable
from pushd.kit.aio import Nursery
from pushd.store.database import Database, open_database
from pushd.store.migrations import Migration
from tests.store.makes import files_of

SCHEMA = (Migration(1, "0001_create_things.sql", "CREATE TABLE things (name TEXT PRIMARY KEY) STRICT;"),)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(tmp_path / "store", SCHEMA, busy_seconds=0.05)
    yield opened
    await opened.close()


def insert(name: str) -> Callable[[sqlite3.Connection], None]:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO things VALUES (?)", (name,))

    return work


def names(connection: sqlite3.Connection) -> list[str]:
    return [row["name"] for row in connection.execute("SELECT name FROM things ORDER BY name")]


async def test_what_was_acknowledged_is_seen_by_the_next_read(database: Database) -> None:
    for number in range(20):
        await database.transact(insert(f"{number:02}"))
        assert len(await database.read(names)) == number + 1


async def test_work_that_fails_changes_nothing(database: Database) -> None:
    def work(connection: sqlite3.Connection) -> None:
        insert("a")(connection)
        raise KeyError("a bug in the work")

    with pytest.raises(KeyError):
        await database.transact(work)

    assert await database.read(names) == []
    await database.transact(insert("a"))  # and the next one is not harmed


async def test_a_broken_rule_is_an_error_of_ours_with_its_traceback(database: Database) -> None:
    await database.transact(insert("a"))

    with pytest.raises(sqlite3.IntegrityError):
        await database.transact(insert("a"))


async def test_work_that_stops_half_way_through_rows_leaves_no_old_snapshot_behind(database: Database) -> None:
    for name in ("a", "b", "c"):
        await database.transact(insert(name))

    def work(connection: sqlite3.Connection) -> list[int]:
        return [int(row["name"]) for row in connection.execute("SELECT name FROM things ORDER BY name")]

    with pytest.raises(ValueError, match="invalid literal") as kept:  # with its traceback, as a log does
        await database.read(work)
    with pytest.raises(ValueError, match="invalid literal") as also_kept:
        await database.transact(work)
    await database.transact(insert("d"))

    assert await database.read(names) == ["a", "b", "c", "d"]
    assert str(kept.value) == str(also_kept.value)


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await database.read(insert("a"))


async def test_a_read_never_waits_for_a_writer(database: Database) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow_write(connection: sqlite3.Connection) -> None:
        insert("slow")(connection)
        started.set()
        assert go_on.wait(timeout=30)

    async with Nursery("test") as nursery:
        writing = nursery.start(database.transact(slow_write), name="write")
        await asyncio.get_running_loop().run_in_executor(None, started.wait)

        assert await database.read(names) == []  # answers while the write is under way, and sees nothing of it

        go_on.set()
        await writing
    assert await database.read(names) == ["slow"]


async def test_all_statements_of_one_read_see_the_same_moment(database: Database) -> None:
    first_done, go_on = threading.Event(), threading.Event()

    def two_looks(connection: sqlite3.Connection) -> tuple[list[str], list[str]]:
        before = names(connection)
        first_done.set()
        assert go_on.wait(timeout=30)
        return before, names(connection)

    async with Nursery("test") as nursery:
        looking = nursery.start(database.read(two_looks), name="read")
        await asyncio.get_running_loop().run_in_executor(None, first_done.wait)
        await database.transact(insert("meanwhile"))
        go_on.set()

        assert await looking == ([], [])


async def test_many_writers_and_readers_at_once(database: Database) -> None:
    async def write(number: int) -> None:
        await database.transact(insert(f"{number:03}"))

    async def read() -> int:
        return len(await database.read(names))

    counts = await asyncio.gather(*(read() if number % 3 == 0 else write(number) for number in range(90)))

    assert len(await database.read(names)) == 60
    seen = [count for count in counts if count is not None]
    assert seen == sorted(seen)


async def test_a_cancelled_write_is_done_wholly_and_close_waits_for_it(tmp_path: Path) -> None:
    database = await open_database(tmp_path / "store", SCHEMA)
    started, go_on = threading.Event(), threading.Event()

    def slow_write(connection: sqlite3.Connection) -> None:
        insert("a")(connection)
        started.set()
        assert go_on.wait(timeout=30)
        insert("b")(connection)

    async with Nursery("test") as nursery:
        writing = nursery.start(database.transact(slow_write), name="write")
        await asyncio.get_running_loop().run_in_executor(None, started.wait)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        closing = nursery.start(database.close(), name="close")
        go_on.set()
        await closing

    database = await open_database(tmp_path / "store", SCHEMA)
    assert await database.read(names) == ["a", "b"]
    await database.close()


async def test_after_close_it_says_so_and_all_is_in_one_file(tmp_path: Path) -> None:
    database = await open_database(tmp_path / "store", SCHEMA)
    await database.transact(insert("a"))

    await database.close()
    await database.close()  # twice is fine

    assert not any((tmp_path / "store-wal").read_bytes())  # room for the next start, and nothing of the store
    assert set(files_of(tmp_path)) == {"store", "store-shm", "store-wal"}
    with pytest.raises(Unavailable, match="pushd is stopping"):
        await database.read(names)
    with pytest.raises(Unavailable):
        await database.transact(insert("b"))


async def test_a_file_that_somebody_holds_is_told_and_free_again_later(database: Database) -> None:
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(Unavailable, match="held by another program"):
        await database.transact(insert("a"))

    other.execute("ROLLBACK")
    other.close()
    await database.transact(insert("a"))


async def test_a_full_disk_changes_nothing_and_passes(database: Database) -> None:
    await database.transact(insert("before"))
    pages = await database.read(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    await database.transact(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages + 8}").fetchone())

    def fill(connection: sqlite3.Connection) -> None:
        for number in range(1000):
            insert(f"{number} {'x' * 1000}")(connection)

    with pytest.raises(DiskFull, match="is full; nothing was changed") as caught:
        await database.transact(fill)

    assert caught.value.status == 507
    assert await database.read(names) == ["before"]
    assert await database.read(lambda c: c.execute("PRAGMA integrity_check").fetchone()[0]) == "ok"
    await database.transact(insert("small"))


FULL_TMPFS = """
import asyncio, os, sys
from pathlib import Path
from pushd.errors import DiskFull
from pushd.store.database import open_database
from pushd.store.migrations import Migration
from tests.store.makes import files_of

async def main(folder):
    schema = (Migration(1, "0001.sql", "CREATE TABLE things (name TEXT) STRICT;"),)
    database = await open_database(folder / "store", schema)
    await database.transact(lambda c: c.execute("INSERT INTO things VALUES ('before')"))
    ballast = os.open(folder / "ballast", os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(ballast, bytes(4096)):
            pass
    except OSError:
        pass
    refused = 0
    for size in (1, 10_000, 100_000):
        try:
            for _ in range(300):
                await database.transact(lambda c: c.execute("INSERT INTO things VALUES (?)", ("x" * size,)))
        except DiskFull:
            refused += 1
    names = await database.read(lambda c: c.execute("SELECT count(*), min(name) FROM things").fetchone())
    os.unlink(folder / "ballast")
    os.close(ballast)
    await database.transact(lambda c: c.execute("INSERT INTO things VALUES ('after')"))
    check = await database.read(lambda c: c.execute("PRAGMA integrity_check").fetchone()[0])
    await database.close()
    print(refused, names[1], check)

asyncio.run(main(Path(sys.argv[1])))
"""


def _private_tmpfs(folder: Path, *command: str) -> list[str]:
    return ["unshare", "--mount", "--map-root-user", "sh", "-c",
            'mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@"', str(folder), *command]  # fmt: skip


def test_a_really_full_disk_changes_nothing_and_passes(tmp_path: Path) -> None:
    """On a small tmpfs in a mount namespace, once the WAL has used up its own room.

    `max_page_count` above covers machines that refuse one.
    """
    if subprocess.run(_private_tmpfs(tmp_path, "true"), capture_output=True).returncode != 0:
        pytest.skip("this machine gives us no mount namespace; the test before covers the rule")

    done = subprocess.run(
        _private_tmpfs(tmp_path, sys.executable, "-c", FULL_TMPFS, str(tmp_path)), capture_output=True, text=True, timeout=60
    )

    assert done.stdout.split() == ["3", "before", "ok"], done.stderr


STARTS_ON_A_FULL_DISK = """
import asyncio, os, sys
from pathlib import Path
from pushd.store.database import open_database
from pushd.store.migrations import Migration

async def main(folder):
    schema = (Migration(1, "0001.sql", "CREATE TABLE things (name TEXT) STRICT;"),)
    first = await open_database(folder / "store", schema)
    await first.close()
    ballast = os.open(folder / "ballast", os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(ballast, bytes(4096)):
            pass
    except OSError:
        pass
    for number in range(3):
        database = await open_database(folder / "store", schema)
        for _ in range(20):
            await database.transact(lambda c: c.execute("INSERT INTO things VALUES ('one')"))
        await database.close()
    database = await open_database(folder / "store", schema)
    print(await database.read(lambda c: c.execute("SELECT count(*) FROM things").fetchone()[0]))
    await database.close()

asyncio.run(main(Path(sys.argv[1])))
"""


def test_after_a_clean_end_a_full_disk_has_room_for_what_the_next_start_writes(tmp_path: Path) -> None:
    if subprocess.run(_private_tmpfs(tmp_path, "true"), capture_output=True).returncode != 0:
        pytest.skip("this machine gives us no mount namespace")

    done = subprocess.run(
        _private_tmpfs(tmp_path, sys.executable, "-c", STARTS_ON_A_FULL_DISK, str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout.split() == ["60"], done.stderr


async def test_what_is_remembered_is_read_once_until_something_is_written(database: Database) -> None:
    reads = []

    def counted(connection: sqlite3.Connection) -> list[str]:
        reads.append(1)
        return names(connection)

    assert await database.remembered("names", counted) == []
    assert await database.remembered("names", counted) == []
    assert len(reads) == 1

    await database.transact(insert("a"))
    assert await database.remembered("names", counted) == ["a"]


async def test_what_was_read_before_a_write_is_not_remembered_after_it(database: Database) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def slow_read(connection: sqlite3.Connection) -> list[str]:
        found = names(connection)
        reading.set()
        assert go_on.wait(timeout=30)
        return found

    async with Nursery("test") as nursery:
        early = nursery.start(database.remembered("names", slow_read), name="read")
        await asyncio.get_running_loop().run_in_executor(None, reading.wait)
        await database.transact(insert("a"))
        go_on.set()
        assert await early == []
    assert await database.remembered("names", names) == ["a"]


async def test_errors_are_not_remembered(database: Database) -> None:
    def fails(connection: sqlite3.Connection) -> list[str]:
        raise KeyError("a bug in the work")

    with pytest.raises(KeyError):
        await database.remembered("names", fails)
    assert await database.remembered("names", names) == []
