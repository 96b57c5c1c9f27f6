"""Git config, with the real git."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from pushd.client.gitconfig import HELPER, Git, GitTrouble, Remote
from tests.client.folders import git, git_environ

SERVER = "http://127.0.0.1:5000"


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    return git_environ(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    git(tmp_path, "init", "-q", str(made))
    return made


def test_a_remote_is_made_marked_and_given_our_helper(folder: Path, environ: Mapping[str, str]) -> None:
    repository = Git(folder, environ)
    repository.point_remote("pushd", SERVER, "shop")

    assert git(folder, "remote", "get-url", "pushd") == f"{SERVER}/shop.git"
    assert git(folder, "config", "remote.pushd.pushd") == SERVER
    assert git(folder, "config", f"credential.{SERVER}.helper") == HELPER
    assert repository.remotes() == [Remote("pushd", f"{SERVER}/shop.git", SERVER, "shop")]
    assert repository.configured_servers() == {SERVER}


def test_a_device_in_place_of_the_users_config_stays(folder: Path, environ: Mapping[str, str], tmp_path: Path) -> None:
    """Git would replace /dev/null by a file, for the whole machine if root does it."""
    pipe = tmp_path / "null"
    os.mkfifo(pipe)
    with pytest.raises(GitTrouble, match="where git can keep nothing"):
        Git(folder, {**environ, "GIT_CONFIG_GLOBAL": str(pipe)}).trust("https://localhost:5000", "ca.pem")
    assert pipe.is_fifo()


def test_doing_it_twice_changes_nothing(folder: Path, environ: Mapping[str, str]) -> None:
    Git(folder, environ).point_remote("pushd", SERVER, "shop")
    once = (folder / ".git" / "config").read_text()
    Git(folder, environ).point_remote("pushd", SERVER, "shop")

    assert (folder / ".git" / "config").read_text() == once


def test_a_remote_is_pointed_elsewhere_and_removed(folder: Path, environ: Mapping[str, str]) -> None:
    repository = Git(folder, environ)
    repository.point_remote("my.server", SERVER, "shop")
    repository.point_remote("my.server", SERVER, "store")
    assert [remote.app for remote in repository.remotes()] == ["store"]

    repository.remove_remote("my.server")
    assert repository.remotes() == []


def test_which_remotes_are_ours(folder: Path, environ: Mapping[str, str]) -> None:
    git(folder, "remote", "add", "origin", "git@github.com:ada/shop.git")
    git(folder, "remote", "add", "cloned", f"{SERVER}/cloned.git")
    git(folder, "remote", "add", "ssh", "ssh://git@127.0.0.1:2222/over-ssh.git")
    git(folder, "config", "remote.ssh.pushd", SERVER)

    found = {remote.name: (remote.server, remote.app) for remote in Git(folder, environ).remotes([SERVER])}

    assert found == {"origin": (None, None), "cloned": (SERVER, "cloned"), "ssh": (SERVER, "over-ssh")}


def test_a_remote_follows_a_rename_by_its_own_address(folder: Path, environ: Mapping[str, str]) -> None:
    repository = Git(folder, environ)
    git(folder, "remote", "add", "heroku", "https://localhost:5000/git.git")
    git(folder, "remote", "add", "ssh", "ssh://git@127.0.0.1:2222/git.git")
    git(folder, "config", "remote.ssh.pushd", SERVER)

    for remote in repository.remotes([SERVER]):
        assert (remote.server, remote.app) == (SERVER, "git")
        repository.rename_in_remote(remote, "store")

    assert git(folder, "remote", "get-url", "heroku") == "https://localhost:5000/store.git"
    assert git(folder, "remote", "get-url", "ssh") == "ssh://git@127.0.0.1:2222/store.git"


def test_outside_of_a_repository(tmp_path: Path, environ: Mapping[str, str]) -> None:
    repository = Git(tmp_path, environ)

    assert not repository.in_repository()
    assert repository.remotes([SERVER]) == []
    with pytest.raises(GitTrouble) as caught:
        repository.point_remote("pushd", SERVER, "shop")
    assert caught.value.remedy


def test_without_git(folder: Path) -> None:
    repository = Git(folder, {"PATH": "/nowhere"})

    assert not repository.in_repository()
    assert repository.remotes([SERVER]) == []
    with pytest.raises(GitTrouble, match="not installed"):
        repository.point_remote("pushd", SERVER, "shop")
