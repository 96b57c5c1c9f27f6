"""What must hold of a data folder once everything is settled, whatever died before: read from its store and its folders."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from pushd.cli.drill.tidy import LEFTOVERS, found, unpaired
from tests.e2e.harness import eventually

PENDING = {
    "builds": "status = 'pending'",
    "releases": "status = 'pending'",
    "changes": "state = 'pending'",
    "promotion_targets": "release_id IS NULL AND error = ''",
}
OURS = (
    b"app.py", b"worker.py", b"pushd.router", b"serve", b"bwrap", b"unshare", b"pushd-dyno", b"ulimit", b"mount", b"mkdir",
)  # fmt: skip
PER_APP = ("repos", "environments", "cache", "buildpacks", "outputs", "logs", "storage")


class Tidiness:
    """One data folder, and how to find the processes that belong to it."""

    def __init__(self, data: Path, processes: Callable[[], list[int]]) -> None:
        self._data = data
        self._processes = processes

    def hold(self) -> None:
        """Each wanted dyno runs once, nothing else does, nothing waits for an end, and nothing lies about."""
        eventually(lambda: not self.pending(), what="an end of what is pending")
        wanted = self.rows("SELECT coalesce(sum(quantity), 0) FROM formation WHERE type = 'web'")[0][0]
        eventually(lambda: len(self.programs()) == wanted, what=f"{wanted} processes of apps")
        eventually(lambda: len(self.entries("run/dynos")) == wanted, what=f"{wanted} folders in run/dynos")
        eventually(lambda: len(self.rows("SELECT 1 FROM dynos")) == wanted, what=f"{wanted} rows in dynos")
        assert self.rows("PRAGMA integrity_check") == [("ok",)]
        assert self.rows("PRAGMA foreign_key_check") == []
        commands = filter(None, map(command, self._processes()))
        assert [each for each in commands if not any(word in each for word in OURS)] == []
        assert str(self._data) not in Path("/proc/self/mounts").read_text()
        for pattern in LEFTOVERS:
            eventually(lambda pattern=pattern: not found(self._data, pattern), what=f"an end of {pattern}")
        try:
            eventually(lambda: not self.strangers(), what="an end of what no record names")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.strangers()}") from error

    def strangers(self) -> dict[str, set[str]]:
        """What lies there and no record of the store names."""
        known = {str(row[0]) for row in self.rows("SELECT id FROM apps")}
        strange = {folder: {path.stem for path in (self._data / folder).iterdir()} - known for folder in PER_APP}
        strange["slugs"] = set(self.entries("slugs")) - {str(row[0]) for row in self.rows("SELECT checksum FROM slugs")}
        for kind in ("builds", "releases"):
            names = {path.stem for path in found(self._data, f"outputs/*/{kind}/*.txt")}
            strange[f"outputs of {kind}"] = names - {str(row[0]) for row in self.rows(f"SELECT id FROM {kind}")}
        strange["packs"] = {path.name for path in unpaired(self._data)}
        return {where: names for where, names in strange.items() if names}

    def pending(self) -> list[tuple[object, ...]]:
        """The records that have no end yet."""
        return [
            (table, *row)
            for table, condition in PENDING.items()
            for row in self.rows(f"SELECT * FROM {table} WHERE {condition}")
        ]

    def programs(self) -> list[int]:
        """The processes of web dynos."""
        return [pid for pid in self._processes() if command(pid) == b"python\0app.py\0"]

    def entries(self, folder: str) -> list[str]:
        """What is in it, but names with a dot in front."""
        return [path.name for path in (self._data / folder).iterdir() if not path.name.startswith(".")]

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(self._data / "pushd.sqlite3", timeout=30)) as store:
            return store.execute(sql).fetchall()


def command(pid: int) -> bytes:
    """Its command line; b"" once it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
