"""A push over a file path to a repository that git itself serves becomes a page, through the hooks as they are shipped."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.harness import ROOT, Project


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
