"""The daemon may be killed at any line: what was acknowledged is there, and nothing is half done."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.store.conftest import open_store

WRITER = """
import asyncio, sys
from contextlib import closing
from pathlib import Path
from pushd.kit.clock import SystemClock
from pushd.store.keys import KeyFile
from pushd.store.store import Store

async def main(folder):
    store = await Store.open(folder / "pushd.sqlite3", KeyFile(folder / "secret.key"), SystemClock())
    user = await store.users.create_operator("admin@localhost", "pushd-t")
    app = next(iter(await store.apps.all()), None) or await store.apps.create("blog", user)
    while True:
        config = {**await store.config.of(app), "N": str((await store.releases.latest(app)).number + 1)}
        release = await store.releases.create(app, slug_id=None, process_types={}, config=config, description="d", user=user,
                                              formation={f"type{len(config['N'])}": 1})
        print(release.number, flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""


def write_until_killed(folder: Path, lines: int) -> int:
    """The number of the last release that was acknowledged before SIGKILL."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(lines):
            acknowledged = int(writer.stdout.readline())
        writer.kill()
        rest = writer.stdout.read().split("\n")[:-1]  # whole lines that it still printed before it died
    return int(rest[-1]) if rest else acknowledged


@pytest.mark.parametrize("lines", [1, 7])
async def test_kill_9_in_the_middle_of_writes_loses_nothing_acknowledged(tmp_path: Path, lines: int) -> None:
    for _ in range(2):  # the second writer stands on what the first left
        acknowledged = write_until_killed(tmp_path, lines)

        store = await open_store(tmp_path)
        app = await store.apps.find("blog")
        releases = await store.releases.list(app, newest_first=False)
        assert [release.number for release in releases] == list(range(1, len(releases) + 1))
        assert len(releases) >= acknowledged
        assert (await store.config.of(app))["N"] == str(len(releases))
        await store.close()
        with closing(sqlite3.connect(tmp_path / "pushd.sqlite3")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
