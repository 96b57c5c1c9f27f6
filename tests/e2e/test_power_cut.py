"""The power fails right after an answer: what was acknowledged is on the disk, not only in the memory of the machine.

The data folder lies on a disk of its own, an ext4 file system in a file. It writes on its own account only after ten
minutes, so a copy of that file holds what was asked to be brought to the disk and no more: it is the disk after a power cut.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.harness import Project, Server, running


@dataclass(frozen=True)
class Disk:
    """A file system in a file, and where it is mounted."""

    file: Path
    place: Path

    def mount(self) -> None:
        done = subprocess.run(["mount", "-o", "loop,commit=600", self.file, self.place], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"no disk can be mounted here: {done.stderr}")

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", self.place], check=True)

    def copy(self, name: str) -> Path:
        """The disk as it is at this moment."""
        return Path(shutil.copy(self.file, self.file.with_name(name)))

    def replace(self, file: Path) -> None:
        """Put another in its place."""
        self.unmount()
        file.replace(self.file)
        self.mount()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    disk = Disk(tmp_path / "disk", tmp_path / "mounted")
    disk.place.mkdir()
    with disk.file.open("wb") as file:
        file.truncate(192 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", disk.file], check=True)
    disk.mount()
    yield disk
    disk.unmount()


def test_nothing_acknowledged_is_lost(disk: Disk, tmp_path: Path) -> None:
    with running(Server(disk.place, tmp_path / "home")) as server:
        project = server.project(tmp_path / "shop", "shop")
        project.deploy()
        first_cut = disk.copy("first")  # right after the first push: everything of the app is new
        project.write("app.py", (project.folder / "app.py").read_text().replace('"one"', '"two"'))
        second = project.commit("second")
        project.deploy()
        project.ok("config:set", "COLOR=green")
        project.ok("ps:scale", "web=2")
        project.git("push", "-q", "pushd", "master:refs/heads/feature/deep")
        second_cut = disk.copy("second")
        server.stop()

        disk.replace(first_cut)
        server.start()
        assert "version one" in project.get().body
        assert _refs(server) == {"refs/heads/master": project.git("rev-parse", "master~1").stdout.strip()}
        project.deploy()
        server.stop()

        disk.replace(second_cut)
        server.start()
        assert "version two" in project.get().body
        assert project.get("/env/COLOR").body == "green"
        assert [dyno for dyno in ("web.1", "web.2") if dyno in project.ok("ps")] == ["web.1", "web.2"]
        assert _refs(server) == {"refs/heads/master": second, "refs/heads/feature/deep": second}
        _assert_whole(server, project)


def _refs(server: Server) -> dict[str, str]:
    (repository,) = (server.data / "repos").glob("*.git")
    argv = ["git", "-c", "safe.directory=*", "--git-dir", repository, "for-each-ref", "--format=%(refname) %(objectname)"]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return dict(line.split(" ", 1) for line in told.splitlines())  # type: ignore[misc]


def _assert_whole(server: Server, project: Project) -> None:
    (repository,) = (server.data / "repos").glob("*.git")
    assert project.git("--git-dir", str(repository), "fsck", "--strict", "--full").stdout == ""
    assert all((place / ".complete").exists() for place in (server.data / "environments").glob("*/[0-9a-f]*"))
    project.write("app.py", (project.folder / "app.py").read_text().replace('"two"', '"three"'))
    project.commit("third")
    project.deploy()
    assert "version three" in project.get().body
