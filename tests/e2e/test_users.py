"""As root each app is a user of its own: also the apps of a data folder that comes from a daemon which had one for all."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, Load, Server, eventually, run, running

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has uids to give")


def test_an_upgrade_gives_each_app_its_user_and_its_files_without_a_lost_request(tmp_path: Path) -> None:
    with running(Server(tmp_path / "data", tmp_path / "home", recorded=False), "--uid-range", "off") as server:
        project = server.project(tmp_path / "app", "mine")
        project.deploy()
        assert project.get("/write//storage/old").body == "/storage/old"
        assert "uid 0" in project.ok("run", "echo uid $(id -u)")
        before = project.get().body
        server.stop(signal.SIGTERM)

        with Load(server, "mine") as visitors:
            server.start()
            eventually(lambda: project.get().body != before, what="dynos of the app's own user")
        assert visitors.failures == []

        (note,) = [line for line in project.ok("run", "echo uid $(id -u)").splitlines() if line.startswith("uid ")]
        uid = int(note.split()[1])
        assert uid >= 0x7000_0000
        assert project.get("/write//storage/old").body == "/storage/old"
        assert project.get("/write/made-here").body == "/app/made-here"
        assert "written" in project.ok("run", "cat /storage/old && echo again >/storage/old")
        (storage,) = (server.data / "storage").iterdir()
        assert {path.stat().st_uid for path in (storage, storage / "old")} == {uid}
        assert {path.stat().st_uid for path in (server.data / "slugs").glob("*/*")} == {0}
        project.commit("again")
        project.deploy()  # what a build of root left is the app's too

        other = server.project(tmp_path / "other", "other")
        other.deploy()
        assert f"uid {uid + 1}" in other.ok("run", "echo uid $(id -u); echo seen >/dev/stderr")


def test_a_range_of_another_data_folder_is_refused(tmp_path: Path) -> None:
    with running(Server(tmp_path / "one", tmp_path / "home", recorded=False), "--uid-range", "3000000000-3000000999") as first:
        second = run([str(BIN / "pushd"), "serve", "--data-dir", str(tmp_path / "two"), "--uid-range", "3000000999-3000001999"],
                     cwd=tmp_path, env=first.daemon_environ())  # fmt: skip
        assert second.exit_code == 1
        assert f"the data folder {first.data} has 3000000000-3000000999" in second.output
        assert "Give another range" in second.output
