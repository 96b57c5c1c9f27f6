"""Receiving a large pack, against `git receive-pack`, with the memory it takes."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import psutil

from tests.bench.measure import Row, seconds
from tests.e2e.harness import Project, Server


def measure(server: Server, folder: Path) -> list[Row]:
    project = server.project(folder / "large", "bench-large")
    for number in range(100):
        (project.folder / f"blob-{number}").write_bytes(os.urandom(1_000_000))
    project.commit("100 MB that do not compress")
    rows = []
    ours, git = [], []
    peak = 0.0
    for turn in range(3):
        bare = folder / f"bare-{turn}.git"
        subprocess.run(["git", "init", "-q", "--bare", str(bare)], check=True)
        git.append(seconds(lambda bare=bare: project.git("push", "-q", str(bare), "master")))
        with Peak(server) as watched:
            ours.append(seconds(lambda turn=turn: project.deploy("-o", "no-deploy", f"master:refs/heads/copy-{turn}")))
        peak = max(peak, watched.peak_mb)
        project.git("push", "-q", "pushd", "--delete", f"copy-{turn}")
        _forget_objects(server, project)
    took, floor = sorted(ours)[1], sorted(git)[1]
    rows.append(
        Row(
            "receive a pack of 100 MB",
            f"{took:.2f} s",
            f"git receive-pack {floor:.2f} s",
            took / floor,
            "1.2x",
            took / floor <= 1.2,
        )
    )
    rows.append(Row("daemon's peak memory while receiving it", f"{peak:.0f} MB"))
    return rows


def _forget_objects(server: Server, project: Project) -> None:
    """So that the next push sends everything again."""
    _, app = server.call("GET", f"/apps/{project.app}")
    for pack in (server.data / "repos" / f"{app['id']}.git" / "objects" / "pack").iterdir():
        pack.unlink()


class Peak:
    """Watches the resident memory of the daemon alone (not of git, which it starts)."""

    def __init__(self, server: Server) -> None:
        assert server.process is not None
        self._process = psutil.Process(server.process.pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.peak_mb = 0.0

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.peak_mb = max(self.peak_mb, self._process.memory_info().rss / 1e6)
