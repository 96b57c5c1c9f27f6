from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pushd.errors import PushdError
from pushd.store.database import CannotOpen, StoreDamaged, open_database
from pushd.store.migrations import APPLICATION_ID, Migration, NotOurs, StoreTooNew, packaged_migrations, statements
from pushd.store.snapshots import KEPT_FOR, forget_old, maybe_snapshot
from tests.store.makes import files_of

FIRST = Migration(1, "0001_create_things.sql", "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;")
SECOND = Migration(2, "0002_add_color.sql", "ALTER TABLE things ADD COLUMN color TEXT; UPDATE things SET color = 'red';")
SECOND = Migration(2, SECOND.name, SECOND.sql.replace("; ", ";\n"))


def scalar(connection: sqlite3.Connection, query: str) -> object:
    return connection.execute(query).fetchone()[0]


async def test_an_empty_folder_gets_the_newest_schema(tmp_path: Path) -> None:
    database = await open_database(tmp_path / "store")

    assert await database.read(lambda connection: scalar(connection, "PRAGMA user_version")) == len(packaged_migrations())
    assert await database.read(lambda connection: scalar(connection, "PRAGMA integrity_check")) == "ok"
    assert await database.read(lambda connection: scalar(connection, "PRAGMA journal_mode")) == "wal"
    assert await database.transact(lambda connection: scalar(connection, "PRAGMA synchronous")) == 2  # FULL
    assert await database.transact(lambda connection: scalar(connection, "PRAGMA foreign_keys")) == 1
    await database.close()


async def test_every_table_is_strict(tmp_path: Path) -> None:
    database = await open_database(tmp_path / "store")

    loose = await database.read(
        lambda connection: connection.execute(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0"
            " AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
    )

    assert not loose
    await database.close()


async def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    database = await open_database(tmp_path / "store")
    await database.transact(lambda connection: connection.execute("INSERT INTO meta VALUES ('a', 'b')"))

    modes = {name: oct((tmp_path / name).stat().st_mode & 0o777) for name in files_of(tmp_path)}

    assert modes == {"store": "0o600", "store-wal": "0o600", "store-shm": "0o600"}
    await database.close()


async def test_a_later_pushd_applies_only_what_is_missing_and_keeps_the_rows(tmp_path: Path) -> None:
    database = await open_database(tmp_path / "store", (FIRST,))
    await database.transact(lambda connection: connection.execute("INSERT INTO things VALUES (1, 'chair')"))
    await database.close()

    database = await open_database(tmp_path / "store", (FIRST, SECOND))

    rows = await database.read(lambda connection: [tuple(row) for row in connection.execute("SELECT * FROM things")])
    assert rows == [(1, "chair", "red")]
    await database.close()


async def test_the_store_is_copied_before_it_is_migrated(tmp_path: Path) -> None:
    database = await open_database(tmp_path / "store", (FIRST,))
    await database.transact(lambda connection: connection.execute("INSERT INTO things VALUES (1, 'chair')"))
    await database.close()

    await (await open_database(tmp_path / "store", (FIRST, SECOND))).close()

    copy = tmp_path / "store.before-0002"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert set(files_of(tmp_path)) == {"store", "store-shm", "store-wal", copy.name}
    with closing(sqlite3.connect(tmp_path / "store.before-0002")) as connection:
        assert scalar(connection, "PRAGMA integrity_check") == "ok"
        assert scalar(connection, "PRAGMA user_version") == 1
        assert connection.execute("SELECT * FROM things").fetchall() == [(1, "chair")]
    database = await open_database(copy, (FIRST,))  # the pushd of before uses it as it is
    assert await database.read(lambda connection: scalar(connection, "SELECT name FROM things")) == "chair"
    await database.close()


async def test_a_new_store_and_one_of_this_version_are_not_copied(tmp_path: Path) -> None:
    for _ in range(2):
        await (await open_database(tmp_path / "store", (FIRST, SECOND))).close()

    assert set(files_of(tmp_path)) == {"store", "store-shm", "store-wal"}


async def test_an_older_pushd_tells_the_way_back(tmp_path: Path) -> None:
    await (await open_database(tmp_path / "store", (FIRST,))).close()
    await (await open_database(tmp_path / "store", (FIRST, SECOND))).close()

    with pytest.raises(StoreTooNew) as caught:
        await open_database(tmp_path / "store", (FIRST,))

    assert f"cp -p {tmp_path / 'store.before-0002'} {tmp_path / 'store'}" in caught.value.remedy


async def test_without_room_for_the_copy_nothing_is_migrated(tmp_path: Path) -> None:
    """What stands in the copy's way here is a folder; a disk without room does the same."""
    await (await open_database(tmp_path / "store", (FIRST,))).close()
    (tmp_path / "store.before-0002").mkdir()

    with pytest.raises(OSError, match=r"store\.before-0002"):
        await open_database(tmp_path / "store", (FIRST, SECOND))

    database = await open_database(tmp_path / "store", (FIRST,))
    assert await database.read(lambda connection: scalar(connection, "PRAGMA user_version")) == 1
    await database.close()
    assert sorted(os.listdir(tmp_path)) == ["store", "store-shm", "store-wal", "store.before-0002"]


MIGRATING = """
import asyncio, sys
from pathlib import Path
from pushd.store.database import open_database
from pushd.store.migrations import Migration

def migrations():
    yield Migration(1, "0001.sql", "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;")
    for number in range(2, int(sys.argv[2]) + 1):
        change = f"ALTER TABLE things ADD COLUMN c{number} TEXT;\\nUPDATE things SET c{number} = 'x';"
        yield Migration(number, f"{number:04}.sql", change)

print("go", flush=True)
asyncio.run(open_database(Path(sys.argv[1]), tuple(migrations())))
"""


def test_killed_in_the_middle_of_migrations_the_store_and_its_copies_are_whole(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "store")) as store, store:
        store.execute(FIRST.sql)
        store.executemany("INSERT INTO things VALUES (?, 'chair')", [(number,) for number in range(5000)])
        store.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        store.execute("PRAGMA user_version = 1")
    for seen in ("store.before-*.new", "store.before-0002", "store-wal"):
        argv = [sys.executable, "-c", MIGRATING, str(tmp_path / "store"), "60"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as migrating:
            assert migrating.stdout is not None
            migrating.stdout.readline()
            while migrating.poll() is None and not list(tmp_path.glob(seen)):
                pass
            migrating.kill()

        for file in (tmp_path / "store", *tmp_path.glob("store.before-????")):
            with closing(sqlite3.connect(file)) as connection:
                assert scalar(connection, "PRAGMA integrity_check") == "ok"
                assert scalar(connection, "SELECT count(*) FROM things") == 5000
                columns = len(connection.execute("SELECT * FROM things LIMIT 1").description)
                assert columns == scalar(connection, "PRAGMA user_version") + 1  # type: ignore[operator]


def test_few_copies_are_kept_and_none_for_long(tmp_path: Path) -> None:
    store, now = tmp_path / "store", datetime(2026, 6, 1, tzinfo=UTC)
    for number in (2, 3, 5, 6):
        file = tmp_path / f"store.before-{number:04}"
        file.touch()
        os.utime(file, (now.timestamp(), now.timestamp()))
    old = (now - KEPT_FOR - timedelta(days=1)).timestamp()
    os.utime(tmp_path / "store.before-0003", (old, old))
    for name in ("store.before-0007.new", "store.before-0007.new-journal", "store.before-mine"):
        (tmp_path / name).touch()

    forget_old(store, now)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["store.before-0005", "store.before-0006", "store.before-mine"]
    assert maybe_snapshot(store, 5) == tmp_path / "store.before-0006"
    assert maybe_snapshot(store, 4) == tmp_path / "store.before-0005"
    assert maybe_snapshot(store, 3) is None


async def test_a_damaged_store_is_found_at_the_start_and_not_migrated(tmp_path: Path) -> None:
    database = await open_database(tmp_path / "store", (FIRST,))
    await database.transact(
        lambda connection: connection.executemany("INSERT INTO things VALUES (?, ?)", [(n, "x" * 300) for n in range(500)])
    )
    await database.close()
    with (tmp_path / "store").open("r+b") as file:
        file.seek(6 * 4096)
        file.write(b"\xff" * 4096)

    with pytest.raises(StoreDamaged) as caught:
        await open_database(tmp_path / "store", (FIRST, SECOND))

    assert ".recover" in caught.value.remedy
    assert list(files_of(tmp_path)) == ["store"]


async def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    await (await open_database(tmp_path / "store", (FIRST,))).close()
    broken = Migration(2, "0002_break.sql", "ALTER TABLE things ADD COLUMN color TEXT;\nINSERT INTO nowhere VALUES (1);")

    with pytest.raises(sqlite3.OperationalError):
        await open_database(tmp_path / "store", (FIRST, broken))

    database = await open_database(tmp_path / "store", (FIRST, SECOND))  # the column is not there yet
    assert await database.read(lambda connection: scalar(connection, "PRAGMA user_version")) == 2
    await database.close()


async def test_a_migration_that_leaves_rows_pointing_nowhere_is_refused(tmp_path: Path) -> None:
    dangling = Migration(
        2,
        "0002_dangle.sql",
        "CREATE TABLE parts (thing INTEGER REFERENCES things) STRICT;\nINSERT INTO parts VALUES (7);",
    )

    with pytest.raises(RuntimeError, match="rows of parts that refer to nothing"):
        await open_database(tmp_path / "store", (FIRST, dangling))


async def test_a_store_of_a_newer_pushd_is_refused_and_left_alone(tmp_path: Path) -> None:
    await (await open_database(tmp_path / "store", (FIRST, SECOND))).close()
    before = (tmp_path / "store").read_bytes()

    with pytest.raises(StoreTooNew, match=r"newer pushd \(schema 2, this one knows 1\)") as caught:
        await open_database(tmp_path / "store", (FIRST,))

    assert "Install that newer version" in caught.value.remedy
    assert (tmp_path / "store").read_bytes() == before


async def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "store") as other:
        other.execute("CREATE TABLE bookmarks (url)")
    other.close()

    with pytest.raises(NotOurs):
        await open_database(tmp_path / "store")


async def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"certainly not a database" * 100)

    with pytest.raises(StoreDamaged, match="it is damaged, or no SQLite file"):
        await open_database(tmp_path / "store")


@pytest.mark.parametrize("where", ["missing-folder/store", "."])
async def test_a_path_that_cannot_hold_it_is_told(tmp_path: Path, where: str) -> None:
    with pytest.raises(CannotOpen) as caught:
        await open_database(tmp_path / where)

    assert isinstance(caught.value, PushdError)
    assert caught.value.remedy


def test_statements_keeps_triggers_and_comments_together() -> None:
    sql = (
        "-- why\nCREATE TABLE a (b);\nCREATE TRIGGER t AFTER INSERT ON a\nBEGIN\n  DELETE FROM a;\n  SELECT 1;\nEND;\n-- end\n"
    )

    assert [text.split()[0] for text in statements(sql)] == ["--", "CREATE"]


def test_statements_refuses_a_file_that_breaks_off() -> None:
    with pytest.raises(ValueError, match="no semicolon"):
        list(statements("CREATE TABLE a (b);\nCREATE TABLE c (d)\n"))


def test_migrations_are_packaged_and_numbered_without_a_gap() -> None:
    assert [each.number for each in packaged_migrations()] == list(range(1, len(packaged_migrations()) + 1))
