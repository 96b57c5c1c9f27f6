"""A full disk: changes are refused with a next step, the app goes on, and all works again once there is room."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from pushd.resume import STOPPED
from pushd.store.wal import connect_last
from tests.e2e.harness import ROOT, Load, Project, Server, eventually, running
from tests.e2e.refusals import APP, NOT_LIVE, SECRET, assert_told, unchanged

REFUSED_WITHOUT_ROOM = [("config:set", "A=1"), ("create", "another", "--no-remote"), ("ps:scale", "web=2"), ("rollback", "v3")]


def _assert_full(project: Project) -> None:
    """Whatever would change something is refused and says why; the page, the log and the lists are there."""
    with unchanged(project):
        push = project.push()
        assert push.exit_code == 1, push.output
        assert "! [remote rejected] master -> master (disk full)" in push.output
        assert_told(push.output, ("disk", "full", "ake room"), project.server)
        for argv in REFUSED_WITHOUT_ROOM:
            done = project.pushd(*argv)
            assert done.exit_code == 1, f"{argv}: {done.output}"
            assert_told(done.stderr, ("disk", "full", "ake room"), project.server)
        status, answer = project.server.call("PATCH", f"/apps/{project.app}/config-vars", {"A": "1"})
        assert (status, answer["id"]) == (507, "disk_full")
        assert "Deploy" in project.ok("releases")


def _live_then_changed(server: Server, folder: Path) -> Project:
    project = server.project(folder, "shop")
    project.ok("config:set", f"SECRET_VALUE={SECRET}")
    project.deploy()
    project.write("app.py", APP.replace('"one"', '"two"'))
    project.commit("second")
    return project


def test_a_disk_below_its_reserve(tmp_path: Path) -> None:
    with running(Server(tmp_path / "data", tmp_path / "home")) as server:
        project = _live_then_changed(server, tmp_path / "shop")
        server.stop()
        server.start("--disk-reserve-bytes", str(10**15))  # no machine has that much

        _assert_full(project)
        project.ok("ps:scale", "web=0")  # it may be this very app that fills the disk
        assert project.get().status == 503
        assert_told(project.pushd("ps:scale", "web=1").stderr, ("disk", "full", "scaling down", "disk_reserve_bytes"), server)

        server.stop()
        server.start()
        project.ok("ps:scale", "web=1")
        project.deploy()
        assert "version two" in project.get().body


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own, with 64 MB and room for 20,000 files."""
    folder = tmp_path / "data"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=20000,mode=755", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path, tmp_path: Path) -> None:
    filler = small_disk / "filler"
    with running(Server(small_disk, tmp_path / "home"), "--disk-reserve-bytes", "0") as server:
        project = _live_then_changed(server, tmp_path / "shop")
        server.stop(signal.SIGTERM)
        _fill(filler, left_bytes=0)  # also what the end of the daemon gave back
        server.start("--disk-reserve-bytes", "0")
        _assert_full(project)
        for _ in range(20):
            assert project.get("/log/" + "x" * 1000).body == "logged"  # no app waits for the log's disk
        _fill(filler, left_bytes=100_000)
        _assert_push_refused(project)  # the pack fits, the build does not
        server.stop(signal.SIGKILL)
        _leave_half_done(server)
        _fill(filler, left_bytes=0)
        server.start("--disk-reserve-bytes", "0")  # just then it must be there to be asked
        assert "web.1" in project.ok("ps")
        _assert_full(project)

        filler.unlink()
        eventually(lambda: _newest_build(server) == ("failed", STOPPED), what="the end of the build that was cut off")
        project.deploy()
        assert "version two" in project.get().body
        project.ok("config:set", "A=1")
        assert project.get("/env/A").body == "1"
        assert project.get("/env/SECRET_VALUE").body == SECRET

        workshop = small_disk / "slugs" / ".builds" / server.call("GET", "/apps/shop")[1]["id"] / "app"
        server.stop(signal.SIGKILL)
        _leave_half_done(server)
        workshop.mkdir(parents=True)
        _fill(workshop / "filler", left_bytes=0)
        server.start("--disk-reserve-bytes", "0")  # which removes what the killed build left
        assert _newest_build(server) == ("failed", STOPPED)
        project.ok("config:set", "A=2")
        assert project.get("/env/A").body == "2"
        _assert_sound(server, project)


def _leave_half_done(server: Server) -> None:
    """As a daemon does that is killed in a build; and a dyno is written down that is gone. The WAL file stays."""
    store = server.data / "pushd.sqlite3"
    with contextlib.closing(connect_last(store, 5)) as last, contextlib.closing(sqlite3.connect(store)) as database, database:
        last.execute("SELECT count(*) FROM sqlite_schema")
        newest = "(SELECT id FROM builds ORDER BY created_at DESC LIMIT 1)"
        database.execute(f"UPDATE builds SET status = 'pending', slug_id = NULL, release_id = NULL WHERE id = {newest}")
        database.execute("CREATE TEMP TABLE gone AS SELECT * FROM dynos LIMIT 1")
        database.execute("UPDATE gone SET id = ?", (str(uuid4()),))
        database.execute("INSERT INTO dynos SELECT * FROM gone")


def _newest_build(server: Server) -> tuple[str, str]:
    with contextlib.closing(sqlite3.connect(server.data / "pushd.sqlite3")) as database:
        found: tuple[str, str] = database.execute(
            "SELECT status, reason FROM builds ORDER BY created_at DESC LIMIT 1"
        ).fetchone()
    return found


ALL_ON_ONE_FULL_DISK = """
import signal, tempfile
from pathlib import Path
from tests.e2e.harness import Server
from tests.e2e.test_full_disk import _fill

log = tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="pushd-test-")  # a service's is elsewhere too
Path("/tmp/data.log").symlink_to(log.name)
server = Server(Path("/tmp/data"), Path("/tmp/home"), recorded=False, flags=("--disk-reserve-bytes", "0"))
server.start()
for ending in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
    server.stop(ending)
    _fill(Path("/tmp/filler"), left_bytes=0)
    server.start()
    server.ok("apps")
print(server.stop(), server.daemon_log())
"""


def test_a_daemon_starts_when_its_folder_and_all_temporary_folders_are_on_one_full_disk() -> None:
    if os.geteuid() != 0 or Path(sys.prefix).is_relative_to("/tmp"):
        pytest.skip("only root can mount a disk, and not over ourselves")
    disk = "mount --make-rprivate / && mount -t tmpfs -o size=32m tmpfs /tmp"
    disk += " && mkdir /tmp/var && mount --bind /tmp/var /var/tmp"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'{disk} && cd /tmp && exec "$@"', "sh", sys.executable, "-c", ALL_ON_ONE_FULL_DISK],
        capture_output=True, text=True, timeout=200, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip(f"no disk can be mounted here: {done.stderr}")
    assert done.stdout.startswith("0 "), done.stderr
    assert "protection=sandbox" not in done.stdout or shutil.which("bwrap") is None


@pytest.mark.long
def test_a_disk_without_room_for_another_file(small_disk: Path, tmp_path: Path) -> None:
    """There are bytes enough, but no inodes."""
    with running(Server(small_disk, tmp_path / "home"), "--disk-reserve-bytes", "0", "--disk-reserve-files", "0") as server:
        project = _live_then_changed(server, tmp_path / "shop")
        for number in range(200):
            project.write(f"many/{number}", str(number))
        project.commit("many files")
        filler = _take_all_files(small_disk / "filler")
        with unchanged(project):
            push = project.push()
        assert_told(push.output, ("disk of the server is full", "Make room", "(disk full)"), server)
        assert "version one" in project.get().body
        assert project.get("/log/said").body == "logged"
        _remove(filler[:60])
        _assert_push_refused(project, "the disk is full", "Make room on the server")  # the pack fits, the build does not
        _remove(filler[60:300])
        server.stop()
        server.start("--disk-reserve-bytes", "0")
        _assert_full(project)  # by the reserve of files that is the default

        shutil.rmtree(small_disk / "filler")
        project.deploy()
        assert "version two" in project.get().body
        project.ok("config:set", "A=1")
        _assert_sound(server, project)


def _take_all_files(folder: Path) -> list[Path]:
    """Make files until no more can be made."""
    folder.mkdir()
    made = []
    with contextlib.suppress(OSError):
        for number in range(100_000):
            made.append(folder / str(number))
            made[-1].touch()
    return made


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink()


FILLS_THE_DISK = "#!/bin/sh\necho takes all there is\nwhile :; do dd if=/dev/zero bs=1M count=1 2>/dev/null; done >filler\n"


def test_a_build_that_fills_the_disk_is_stopped_before_others_feel_it(small_disk: Path, tmp_path: Path) -> None:
    with running(Server(small_disk, tmp_path / "home"), "--disk-reserve-bytes", "20000000") as server:
        other = server.project(tmp_path / "other", "other")
        other.deploy()
        project = _live_then_changed(server, tmp_path / "shop")
        project.write("bin/pre_compile", FILLS_THE_DISK)
        (project.folder / "bin" / "pre_compile").chmod(0o755)
        project.commit("greedy")

        with Load(server, "other", visitors=1) as load, unchanged(project):
            push = project.push()
        assert push.exit_code == 1, push.output
        assert "takes all there is" in push.output
        assert_told(push.output, ("The build was stopped", "nearly full", "make room", NOT_LIVE), project.server)
        assert load.failures == []

        other.ok("config:set", "A=1")  # the room is there again
        assert other.get("/env/A").body == "1"
        assert not list((small_disk / "slugs" / ".builds").glob("*"))
        (project.folder / "bin" / "pre_compile").unlink()
        project.commit("modest")
        project.deploy()
        assert "version two" in project.get().body
        totals = {each["app"]["name"]: each["total"] for each in json.loads(server.ok("df", "--json"))["apps"]}
        assert all(0 < totals[name] < 20_000_000 for name in ("shop", "other"))


def _assert_push_refused(project: Project, *words: str) -> None:
    with unchanged(project):
        push = project.push()
    assert push.exit_code == 1, push.output
    told = words or ("disk of the server is full", "make room")
    assert_told(push.output, (*told, NOT_LIVE, "(disk full)"), project.server)


def _fill(file: Path, *, left_bytes: int) -> None:
    """Take all the room there is, but for so many bytes."""
    with file.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(1 << 20)):
            pass
    with file.open("ab", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(512)):
            pass
    os.truncate(file, file.stat().st_size - left_bytes)


def _assert_sound(server: Server, project: Project) -> None:
    (repository,) = (server.data / "repos").glob("*.git")
    assert project.git("--git-dir", str(repository), "fsck", "--strict", "--full").stdout == ""
    assert not list((repository / "quarantine").glob("*"))
    server.stop()
    server.start()
    assert "version two" in project.get().body
