"""One SQLite file: one thread that writes, one that reads, so that a read never waits for a write."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from traceback import clear_frames
from typing import Any, TypeVar

from pushd.errors import DiskFull, PushdError, Unavailable
from pushd.kit.disk import has_files_left, is_full
from pushd.store import wal
from pushd.store.migrations import Migration, migrate, packaged_migrations

log = logging.getLogger(__name__)
A = TypeVar("A")
T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

BUSY_SECONDS = 5.0  # somebody else, such as the sqlite3 shell, may hold the file for a moment
WAL_LIMIT_BYTES = 16 << 20  # what the WAL file shrinks to after a burst
CHECKED_BYTES = 1 << 30  # a larger file is not read through at every start
_REMEMBERED = 1024  # small values, such as the user of a token
_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_UNREADABLE = frozenset({sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS})
_UNREACHABLE = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM})


class StoreDamaged(PushdError):
    """The file is no SQLite database, or a damaged one; `serve` ends (HTTP 500 when found later)."""

    id, status = "store_damaged", 500

    def __init__(self, path: Path, what: str = "") -> None:
        super().__init__(
            f"cannot use the store {path}: it is damaged, or no SQLite file" + (f" ({what})" if what else ""),
            remedy=f"Put back a backup of it, or save what can be read into a new file:\n"
            f"sqlite3 {path} .recover | sqlite3 {path.with_name('recovered.sqlite3')}",
        )


class CannotOpen(PushdError):
    """The operating system refuses the file."""

    id, status = "store_unreadable", 500

    def __init__(self, path: Path, error: Exception) -> None:
        super().__init__(f"cannot open the store {path}: {error}", remedy="Check owner and mode of the file and its folder.")


class Database:
    """Runs work on the file: `transact` to write, `read` to read. Made by `open_database`.

    What was submitted is done wholly or not at all, even when the caller is cancelled meanwhile: a thread's work is bounded.
    """

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self._busy_seconds = busy_seconds
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._write_connection: sqlite3.Connection | None = None
        self._read_connection: sqlite3.Connection | None = None
        self._closing: Future[None] | None = None
        self._written = 0  # transactions so far; the writer's thread counts
        self._remembered: tuple[int, dict[Hashable, Any]] = (0, {})  # what was read since that many
        self._on_write: list[Callable[[], None]] = []
        self._on_failure: Callable[[Exception], None] = lambda error: None

    async def transact(self, work: Work[T]) -> T:
        """What `work(connection)` gives, run in one transaction; on disk when this returns, nothing changed when it raises.

        Raises: DiskFull, Unavailable, and whatever `work` raises.
        """
        try:
            return await self._submit(self._writer, self._in_transaction, work)
        finally:
            for told in self._on_write:
                told()

    def on_write(self, told: Callable[[], None]) -> Callable[[], None]:
        """Call `told` after every transaction, whatever it wrote; gives what ends that."""
        self._on_write.append(told)
        return lambda: self._on_write.remove(told)

    def on_failure(self, told: Callable[[Exception], None]) -> None:
        """Call `told` when the file turns out to be damaged, gone or unreadable: no later call will fare better.

        A full disk and a file that somebody else holds for a while are no such failures.
        """
        self._on_failure = told

    async def read(self, work: Work[T]) -> T:
        """What `work(connection)` gives, all its statements seeing the same moment; it can change nothing."""
        return await self._submit(self._reader, self._in_snapshot, work)

    async def remembered(self, key: Hashable, work: Work[T]) -> T:
        """As `read`, but asked only once until the next transaction: for small values that every request needs.

        `key` names the work and all that it depends on. What it gives is shared: nobody may change it. Errors are not kept.
        """
        written = self._written
        if self._remembered[0] != written:
            self._remembered = (written, {})
        values = self._remembered[1]
        if key not in values:
            value = await self.read(work)
            if self._written != written:
                return value
            if len(values) >= _REMEMBERED:
                values.clear()
            values[key] = value
        found: T = values[key]
        return found

    async def empty_log(self) -> None:
        """Put all that was written into the file itself, so that the WAL beside it holds nothing of what was before."""
        await self._submit(self._writer, self._checkpoint, "TRUNCATE")

    async def answer(self) -> None:
        """Return once both threads have: each has done what it was given before. Asks nothing of the disk."""
        for executor in (self._writer, self._reader):
            await self._submit(executor, _answer, None)

    async def prepare(self, migrations: tuple[Migration, ...]) -> None:
        """Open the file and bring it to the newest version; `open_database` calls it, once."""
        await self._submit(self._writer, self._open, migrations)

    async def close(self) -> None:
        """Wait for the work that was submitted, then close the file; may be called twice."""
        if self._closing is None:
            reader_idle = self._reader.submit(_nothing)
            self._closing = self._writer.submit(self._close, reader_idle)
            self._reader.shutdown(wait=False)  # no new work; the threads end after what was submitted
            self._writer.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(self._closing))

    def _open(self, migrations: tuple[Migration, ...]) -> None:
        """In the writer's thread: make the file if need be, and bring it to the newest version."""
        _make_file(self.path)
        with self._explained():
            writing = self._write_connection = _connect(self.path, self._busy_seconds)
            writing.execute("PRAGMA journal_mode = WAL")
            writing.execute("PRAGMA synchronous = FULL")  # a power cut loses nothing that was acknowledged
            writing.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
            _check_sound(writing, self.path)
            migrate(writing, migrations, self.path)
            writing.execute("PRAGMA foreign_keys = ON")
            reading = self._read_connection = _set_up(wal.connect_last(self.path, self._busy_seconds))
            reading.execute("PRAGMA query_only = ON")
            reading.execute("SELECT count(*) FROM sqlite_schema")  # attaches to the WAL now
            with suppress(DiskFull), self._explained():
                wal.keep_room(writing, self.path)

    def _checkpoint(self, mode: str) -> None:
        with self._explained():
            _opened(self._write_connection).execute(f"PRAGMA wal_checkpoint({mode})")

    def _in_transaction(self, work: Work[T]) -> T:
        connection = _opened(self._write_connection)
        with self._explained():
            try:
                connection.execute("BEGIN IMMEDIATE")
                result = work(connection)
                connection.execute("COMMIT")
                self._written += 1  # before the caller hears of it, so that it reads what it wrote
                return result
            except BaseException as error:
                _drop_cursors(error)
                if connection.in_transaction:  # SQLite has ended it itself after some errors
                    connection.execute("ROLLBACK")
                raise

    def _in_snapshot(self, work: Work[T]) -> T:
        connection = _opened(self._read_connection)
        with self._explained():
            try:
                connection.execute("BEGIN")
                return work(connection)
            except BaseException as error:
                _drop_cursors(error)
                raise
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what to do about what the machine does to us; bugs of ours stay as they are."""
        try:
            yield
        except OSError as error:
            if is_full(error):
                raise _disk_full(self.path) from error
            raise
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0)  # errors of the Python module have none
            if code in _NO_ROOM:
                raise _disk_full(self.path) from error
            if code & 0xFF in _BUSY:
                raise Unavailable("The store is held by another program.",
                                  remedy=f"End what has {self.path} open, then try again.") from error  # fmt: skip
            if code & 0xFF in _DAMAGED:
                raise StoreDamaged(self.path) from error
            if code & 0xFF in _UNREACHABLE:
                if not has_files_left(self.path.parent):
                    raise _disk_full(self.path) from error
                raise CannotOpen(self.path, error) from error
            raise

    async def _submit(self, executor: ThreadPoolExecutor, run: Callable[[A], T], work: A) -> T:
        if self._closing is not None:
            raise Unavailable("The store is closed: pushd is stopping.", remedy="Try again once it is up.")
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, run, work)
        except (StoreDamaged, CannotOpen, sqlite3.OperationalError) as error:
            if not isinstance(error, sqlite3.OperationalError) or getattr(error, "sqlite_errorcode", 0) in _UNREADABLE:
                self._on_failure(error)
            raise

    def _close(self, reader_idle: Future[None]) -> None:
        """In the writer's thread, after all work. The connection that reads goes last, see wal.py."""
        reader_idle.result()
        writing, reading = self._write_connection, self._read_connection
        if writing is not None and reading is not None:
            try:
                wal.empty(writing, self.path)
            except (sqlite3.Error, OSError) as error:  # the next start does it
                log.warning("the store's WAL was not emptied", extra={"cause": str(error)})
        for connection in (writing, reading):
            if connection is not None:
                connection.close()


async def open_database(
    path: Path, migrations: tuple[Migration, ...] | None = None, *, busy_seconds: float = BUSY_SECONDS
) -> Database:
    """The store's file, made and migrated if need be; its folder must be there.

    Raises: StoreTooNew, NotOurs, StoreDamaged, CannotOpen, DiskFull, Unavailable.
    """
    database = Database(path, busy_seconds=busy_seconds)
    try:
        await database.prepare(packaged_migrations() if migrations is None else migrations)
    except BaseException:
        await database.close()
        raise
    return database


def _make_file(path: Path) -> None:
    """Create it for its owner only, if it is not there; SQLite gives its side files the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise (_disk_full(path) if is_full(error) else CannotOpen(path, error)) from error


def _check_sound(connection: sqlite3.Connection, path: Path) -> None:
    """Read the file through once. Raises: StoreDamaged, sqlite3.DatabaseError."""
    if path.stat().st_size <= CHECKED_BYTES:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreDamaged(path, found.splitlines()[-1])


def _connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """A connection that opens transactions only when told, and gives rows by column name."""
    return _set_up(sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False))


def _set_up(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA temp_store = MEMORY")  # reading works while the disk is full
    return connection


def _opened(connection: sqlite3.Connection | None) -> sqlite3.Connection:
    if connection is None:
        raise Unavailable("The store is not open.")
    return connection


def _drop_cursors(error: BaseException) -> None:
    """A query that was left half read holds its snapshot while anybody keeps the error: later reads would be stale."""
    clear_frames(error.__traceback__)


def _disk_full(path: Path) -> DiskFull:
    return DiskFull(f"The disk that holds {path.parent} is full; nothing was changed.", remedy="Make room, then try again.")


def _answer(_: None) -> None:
    """For `answer`: a thread that hangs does not come to it."""


def _nothing() -> None:
    """Done by a thread once all that was submitted before is done."""
