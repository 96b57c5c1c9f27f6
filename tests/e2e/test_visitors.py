"""Visitors who are there while a daemon dies, or one of another version takes over: they lose nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
from pathlib import Path

from pushd.kit import procfs
from tests.e2e.harness import ROOT, Load, Server, eventually
from tests.soak.growth import router_pid
from tests.soak.visitors import Visitors


def other_version(folder: Path) -> Path:
    """This very code under another version, for PYTHONPATH."""
    shutil.copytree(ROOT / "pushd", folder / "pushd", ignore=shutil.ignore_patterns("__pycache__"))
    for each in ("buildpacks", "hooks", "systemd", "examples"):
        (folder / each).symlink_to(ROOT / each)
    init = folder / "pushd" / "__init__.py"
    version = next(line for line in init.read_text().splitlines() if line.startswith("__version__"))
    init.write_text(init.read_text().replace(version, '__version__ = "99.0"'))
    return folder


def test_a_daemon_of_another_version_replaces_the_router_and_no_visitor_notices(own_server: Server, tmp_path: Path) -> None:
    project = own_server.project(tmp_path / "app", "upgraded", "soaked")
    project.deploy()
    upgrade = other_version(tmp_path / "upgrade")
    old = procfs.identify(router_pid(own_server.data) or 0)
    assert old is not None

    with Visitors(own_server.endpoints["router"], ["upgraded"], stream_seconds=2, without=("upgraded",)) as visitors:
        eventually(lambda: visitors.answers["stream"], what="visitors of all kinds")
        own_server.stop(signal.SIGTERM)
        own_server.environ["PYTHONPATH"] = str(upgrade)
        own_server.start()
        eventually(lambda: not procfs.is_alive(old), what="the end of the old router")
        answers = visitors.answers.copy()
        eventually(lambda: all(visitors.answers[kind] > answers[kind] for kind in answers), what="answers of the new router")

    assert visitors.failures == []
    assert visitors.reopened == []  # nobody sent a request into a connection that was just being closed
    new = router_pid(own_server.data)
    assert new != old.pid
    assert f"PYTHONPATH={upgrade}".encode() in procfs.environ(new or 0)
    assert {name for name in os.listdir(own_server.data / "run") if name.startswith("router")} == {"router.log", "router.sock"}


def test_a_daemon_that_is_killed_fails_no_request(own_server: Server, tmp_path: Path) -> None:
    project = own_server.project(tmp_path / "app", "unnoticed", "soaked")
    project.deploy()
    router = router_pid(own_server.data)

    with Visitors(own_server.endpoints["router"], ["unnoticed"], stream_seconds=2, without=("upgraded",)) as visitors:
        eventually(lambda: visitors.answers["stream"], what="visitors of all kinds")
        own_server.stop(signal.SIGKILL)
        alone = visitors.answers.copy()
        eventually(lambda: all(visitors.answers[kind] > alone[kind] for kind in alone), what="answers without a daemon")
        own_server.start()
        again = visitors.answers.copy()
        eventually(lambda: all(visitors.answers[kind] > again[kind] for kind in again), what="answers with the next daemon")

    assert visitors.failures == []
    assert visitors.reopened == []
    assert router_pid(own_server.data) == router


def test_who_takes_a_dead_dynos_port_while_no_daemon_runs_gets_none_of_its_visitors(own_server: Server, tmp_path: Path) -> None:
    project = own_server.project(tmp_path / "app", "victim")
    project.deploy()
    with contextlib.closing(sqlite3.connect(own_server.data / "pushd.sqlite3")) as store:
        ((port,),) = store.execute("SELECT port FROM dynos WHERE port IS NOT NULL").fetchall()
    (dyno,) = [pid for pid in own_server.processes() if procfs.arguments(pid) == ["python", "app.py"]]
    own_server.stop(signal.SIGKILL)
    (keeper,) = [pid for pid in own_server.processes() if dyno in procfs.descendants(pid)]
    around = [procfs.identify(pid) for pid in procfs.descendants(keeper)]  # its sandbox too, which names no folder of ours
    os.kill(dyno, signal.SIGKILL)
    stranger = _listening(port)
    eventually(lambda: not any(who and procfs.is_alive(who) for who in around), what="the end of the whole dyno")

    with stranger, Load(own_server, "victim", visitors=2) as load:
        own_server.start()
        eventually(lambda: load.answers, what="the next dyno")
        stranger.setblocking(False)
        with contextlib.suppress(BlockingIOError):  # who came was the router, to see who listens; it said nothing
            while True:
                came, _ = stranger.accept()
                with came:
                    came.setblocking(True)
                    assert came.recv(1) == b""

    assert load.failures == []  # they waited for the next dyno


def _listening(port: int) -> socket.socket:
    """On a port that is just being given up."""

    def listen() -> socket.socket | None:
        with contextlib.suppress(OSError):
            return socket.create_server(("127.0.0.1", port))
        return None

    listening = eventually(listen, what="a free port")
    assert listening is not None
    return listening
