"""As root each app is a user of its own: also the apps of a data folder that comes from a daemon which had one for all."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, PATIENCE_SECONDS, Load, Server, eventually, run, running
from tests.ordinary import become

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
    (first.data / "format").unlink()  # the range is free again, for the next run of this test


KEEP_OPEN = """#!/usr/bin/env python3
import os, socket
os.mkdir("wide")
os.chmod("wide", 0o777)
os.mkfifo("pipe")
for name in ("wide/file", "open"):
    with open(name, "w") as file:
        file.write("built")
    os.chmod(name, 0o666)
held = [os.open(".", os.O_RDONLY), os.open("wide", os.O_RDONLY), os.open("open", os.O_RDWR), os.open("wide/file", os.O_RDONLY)]
with socket.socket(socket.AF_UNIX) as door:
    door.bind("door")
    door.listen()
    accomplice, _ = door.accept()
socket.send_fds(accomplice, [b"x"], held)
os.unlink("door")
"""
WRITE = """if 1:
    import json, os, sys
    top, wide, open_for_writing, open_for_reading = map(int, sys.argv[1:])
    WRITE = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    def tried(way):
        try:
            os.write(way(), b"hostile")
            return "wrote"
        except OSError as error:
            return error.strerror
    print(json.dumps([
        tried(lambda: os.open("new", WRITE, dir_fd=top)), tried(lambda: os.open("new", WRITE, dir_fd=wide)),
        tried(lambda: os.open("open", WRITE, dir_fd=top)), tried(lambda: os.open("file", WRITE, dir_fd=wide)),
        tried(lambda: os.open(f"/proc/self/fd/{open_for_reading}", os.O_WRONLY)), tried(lambda: open_for_writing),
    ]))"""


def test_what_a_build_still_has_open_is_no_way_into_its_slug(own_server: Server, tmp_path: Path) -> None:
    """It hands it to a process outside, such as a dyno of its app. Other apps with the same files have the same slug."""
    hostile = own_server.project(tmp_path / "hostile", "hostile")
    hostile.write("bin/post_compile", KEEP_OPEN)
    (hostile.folder / "bin" / "post_compile").chmod(0o755)
    hostile.commit("a hook")
    with hostile.popen_push() as push:
        held = eventually(lambda: _handed_over(own_server.data / "slugs" / ".builds"), what="the build's door")
        _, said = push.communicate(timeout=PATIENCE_SECONDS)
    assert push.returncode == 0, said
    (slug,) = (own_server.data / "slugs").glob("[!.]*")
    (uid,) = (path.stat().st_uid for path in (own_server.data / "storage").iterdir())
    before = {path: path.read_bytes() for path in slug.rglob("*") if path.is_file()}
    command = [*become(uid), "/usr/bin/python3", "-c", WRITE, *map(str, held)]
    got = json.loads(subprocess.run(command, pass_fds=held, capture_output=True, text=True, cwd="/").stdout)
    for descriptor in held:
        os.close(descriptor)

    assert got == ["Permission denied"] * 5 + ["wrote"]  # into a file that is no part of the slug any more
    assert {path: path.read_bytes() for path in slug.rglob("*") if path.is_file()} == before
    assert hostile.get("/read/app/open").body == "built"
    assert "files that a build had open were copied" in own_server.daemon_log()


def _handed_over(builds: Path) -> list[int]:
    """What a build has open, once it hands it out at a socket among its files."""
    with suppress(FileNotFoundError, ConnectionRefusedError):  # it is at work there
        for door in builds.rglob("door"):
            folder = os.open(door.parent, os.O_PATH)
            try:
                with socket.socket(socket.AF_UNIX) as accomplice:
                    accomplice.settimeout(PATIENCE_SECONDS)
                    accomplice.connect(f"/proc/self/fd/{folder}/door")  # its own path is too long
                    return socket.recv_fds(accomplice, 1, 4)[1]
            finally:
                os.close(folder)
    return []
