"""A record that cannot be read keeps its own app from running, and no other."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
from pathlib import Path

from tests.e2e.harness import Server, eventually, running


def test_an_app_whose_releases_cannot_be_read_keeps_no_other_one_from_running(tmp_path: Path) -> None:
    with running(Server(tmp_path / "data", tmp_path / "home")) as server:
        broken, other = server.project(tmp_path / "broken", "broken"), server.project(tmp_path / "other", "other")
        broken.deploy()
        other.deploy()
        server.stop(signal.SIGTERM)
        with contextlib.closing(sqlite3.connect(server.data / "pushd.sqlite3")) as database, database:
            (trigger,) = database.execute("SELECT sql FROM sqlite_master WHERE name = 'releases_do_not_change'").fetchone()
            database.execute("DROP TRIGGER releases_do_not_change")  # the disk asks for no leave
            database.execute(
                "UPDATE releases SET created_at = 'no time' WHERE app_id = (SELECT id FROM apps WHERE name = 'broken')"
            )
            database.execute(trigger)

        server.start()

        assert "web.1: up" in other.ok("ps")
        assert other.get().status == 200
        assert broken.get().status == 503
        told = eventually(lambda: broken.ok("logs"), what="the log of the app that ended")
        assert "The server started anew and had to end web.1." in told
        other.ok("config:set", "A=1")
        assert other.get("/env/A").body == "1"
        server.stop()
        server.start()  # also when nothing is left to go on with
        assert other.get("/env/A").body == "1"
