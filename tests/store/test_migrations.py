from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from pushd.errors import PushdError
from pushd.store.database import CannotOpen, StoreDamaged, open_database
from pushd.store.migrations import Migration, NotOurs, StoreTooNew, packaged_migrations, statements
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
