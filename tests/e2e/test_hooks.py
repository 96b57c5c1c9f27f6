"""A push over a file path to a repository that git itself serves becomes a page, through the hooks as they are shipped."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import ROOT, Project, Server, run, running


def _serve_elsewhere(project: Project, folder: Path, kind: str) -> Path:
    """A bare repository with one of our hooks, that names the project's app and the daemon's folder."""
    bare = folder / "elsewhere.git"
    project.git("init", "-q", "--bare", str(bare))
    shutil.copy(ROOT / "hooks" / kind, bare / "hooks" / kind)
    project.git("--git-dir", str(bare), "config", "pushd.app", project.app)
    project.git("--git-dir", str(bare), "config", "pushd.data-dir", str(project.server.data))
    return bare


@pytest.mark.parametrize("kind", ["pre-receive", "post-receive"])
def test_a_push_by_path_becomes_a_page(project: Project, tmp_path: Path, kind: str) -> None:
    bare = _serve_elsewhere(project, tmp_path, kind)

    push = project.git("push", str(bare), "master", check=False)

    assert push.exit_code == 0, push.output
    assert "remote: -----> Python app detected" in push.output
    assert project.get().body.startswith("version one")


def test_a_failed_build_refuses_a_push_by_path(project: Project, tmp_path: Path) -> None:
    bare = _serve_elsewhere(project, tmp_path, "pre-receive")
    project.write("requirements.txt", "this-package-does-not-exist-anywhere==1.0\n")
    project.commit("bad requirement")

    push = project.git("push", str(bare), "master", check=False)

    assert push.exit_code == 1
    assert "pre-receive hook declined" in push.output
    assert "this-package-does-not-exist-anywhere" in push.output
    assert project.git("--git-dir", str(bare), "for-each-ref").stdout == ""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may pass through, as pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="pushd-test-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


def _all_may_pass(path: Path) -> bool:
    return path.exists() and all(each.stat().st_mode & 0o001 for each in (path, *path.parents))


def _find_python_of_everybody() -> Path:
    """That of the tests may lie in somebody's home; the machine's own runs our hook as well."""
    own = Path(sys.executable).resolve()
    return own if _all_may_pass(own) else Path("/usr/bin/python3")


@pytest.mark.skipif(os.geteuid() != 0 or not _all_may_pass(ROOT), reason="takes root, and a checkout that others may read")
@pytest.mark.parametrize("in_group", [True, False])
def test_a_git_server_that_runs_as_another_user(open_folder: Path, in_group: bool) -> None:
    user = pwd.getpwnam("nobody")
    group = grp.getgrgid(user.pw_gid).gr_name if in_group else "root"
    with running(Server(open_folder / "data", open_folder / "home"), "--hook-group", group) as server:
        project = server.project(open_folder / "app", "elsewhere")
        bare = _serve_elsewhere(project, open_folder, "pre-receive")
        for path in (project.folder, bare):
            for each in (path, *path.rglob("*")):
                os.chown(each, user.pw_uid, user.pw_gid)
        python = _find_python_of_everybody()
        program = open_folder / "bin" / "git-pushd"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT}:{sysconfig.get_path("purelib")} exec {python} -m pushd "$@"\n')
        program.chmod(0o755)
        environ = server.client_environ(PATH=f"{program.parent}:{os.environ['PATH']}")
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

        push = run([*as_user, "git", "push", str(bare), "master"], cwd=project.folder, env=environ)

        assert push.exit_code == (0 if in_group else 1), push.output
        if in_group:
            assert project.get().body.startswith("version one")
        reads = run([*as_user, "find", *(str(each) for each in server.data.rglob("*")), "-maxdepth", "0", "-readable"],
                    cwd=open_folder, env=server.client_environ())  # fmt: skip
        empty = {"ssh"}  # what commands over SSH see as their home
        assert {Path(each).name for each in reads.stdout.split()} == {
            "endpoints.json",
            *empty,
            *(["hook.sock"] if in_group else []),
        }
        assert list((server.data / "run" / "ssh").iterdir()) == []
