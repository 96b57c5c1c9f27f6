"""Which app and which server: every source, and who wins."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from pushd.client.discovery import Discovery, NotNamed
from pushd.client.server import BadServer
from pushd.client.transport import Unreachable
from pushd.errors import NotFound
from tests.client.fake_api import FakeApi
from tests.client.folders import data_folder, git, git_environ

HERE, THERE, ELSEWHERE = "http://127.0.0.1:5000", "http://there.example:5000", "https://elsewhere.example"


@dataclass
class Desk:
    """A user's home with a project in it."""

    home: Path

    @property
    def project(self) -> Path:
        return self.home / "project"

    def repository(self, **remotes: tuple[str, str]) -> None:
        """The project as a git repository; each remote is (server, app), marked as `create` does."""
        git(self.home, "init", "-q", str(self.project))
        for name, (server, app) in remotes.items():
            git(self.project, "remote", "add", name, f"{server}/{app}.git")
            git(self.project, "config", f"remote.{name}.pushd", server)

    def look(self, *, app: str | None = None, remote: str | None = None, host: str | None = None, **environ: str) -> Discovery:
        return Discovery(
            environ=git_environ(self.home, PUSHD_DATA_DIR=str(self.home / "data")) | environ,
            folder=self.project, app_option=app, remote_option=remote, host_option=host,
        )  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path / "home")
    made.project.mkdir(parents=True)
    return made


# --- the app


def test_option_beats_variable_beats_remote(desk: Desk) -> None:
    desk.repository(pushd=(HERE, "from-remote"))

    assert desk.look().app == "from-remote"
    assert desk.look(PUSHD_APP="from-variable").app == "from-variable"
    assert desk.look(app="from-option", PUSHD_APP="from-variable").app == "from-option"
    assert desk.look(remote="pushd", PUSHD_APP="from-variable").app == "from-remote"


def test_a_clone_without_marks_is_recognised_by_a_known_server(desk: Desk) -> None:
    git(desk.home, "init", "-q", str(desk.project))
    git(desk.project, "remote", "add", "origin", f"{HERE}/shop.git")

    with pytest.raises(NotNamed):
        _ = desk.look().app
    assert desk.look(PUSHD_HOST=HERE).app == "shop"
    data_folder(desk.home / "data", HERE, "t")
    assert desk.look().app == "shop"


def test_two_remotes_of_one_app_are_no_question(desk: Desk) -> None:
    desk.repository(pushd=(HERE, "shop"), again=(HERE, "shop"))
    assert desk.look().app == "shop"


def test_remotes_of_several_apps_are(desk: Desk) -> None:
    desk.repository(staging=(HERE, "shop-staging"), production=(HERE, "shop"))

    with pytest.raises(NotNamed) as caught:
        _ = desk.look().app
    assert "shop, shop-staging" in caught.value.message
    assert "--remote" in caught.value.remedy
    assert desk.look(remote="staging").app == "shop-staging"


def test_only_remotes_of_the_server_that_was_named_count(desk: Desk) -> None:
    desk.repository(one=(HERE, "shop"), two=(THERE, "store"))

    assert desk.look(host=THERE).app == "store"
    assert desk.look(PUSHD_HOST=HERE).app == "shop"
    with pytest.raises(NotNamed):
        _ = desk.look(host=ELSEWHERE).app


@pytest.mark.parametrize("remote", ["origin", "none"])
def test_a_remote_that_is_not_ours(desk: Desk, remote: str) -> None:
    desk.repository(pushd=(HERE, "shop"))
    git(desk.project, "remote", "add", "origin", "https://github.com/ada/shop.git")

    with pytest.raises(NotFound) as caught:
        _ = desk.look(remote=remote).app
    assert remote in caught.value.message
    assert "git:remote" in caught.value.remedy


def test_no_app_at_all(desk: Desk) -> None:
    with pytest.raises(NotNamed) as caught:
        _ = desk.look().app
    assert "--app" in caught.value.remedy
    assert "pushd create" in caught.value.remedy


# --- the server


def test_host_beats_variable_beats_remote_beats_data_folder(desk: Desk) -> None:
    data_folder(desk.home / "data", HERE, "t")
    assert desk.look().server == HERE
    desk.repository(pushd=(THERE, "shop"))
    assert desk.look().server == THERE
    assert desk.look(PUSHD_HOST="http://variable.example/").server == "http://variable.example"
    assert desk.look(host="option.example:5000", PUSHD_HOST="http://variable.example").server == "https://option.example:5000"


def test_the_server_is_that_of_the_same_remote(desk: Desk) -> None:
    desk.repository(one=(HERE, "shop"), two=(THERE, "store"))

    assert desk.look(remote="two").server == THERE
    assert desk.look(app="shop").server == HERE
    with pytest.raises(NotNamed, match="Which server"):
        _ = desk.look(app="other").server


def test_the_default_data_folder(desk: Desk) -> None:
    data_folder(desk.home / "share" / "pushd", HERE, "t")
    look = desk.look(XDG_DATA_HOME=str(desk.home / "share"), PUSHD_DATA_DIR="")
    assert look.server == HERE


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"api": 3}', '{"api": "not a url at all"}'])
def test_no_server(desk: Desk, content: str | None) -> None:
    data_folder(desk.home / "data", HERE, "t")
    endpoints = desk.home / "data" / "run" / "endpoints.json"
    endpoints.unlink() if content is None else endpoints.write_text(content)

    with pytest.raises(NotNamed) as caught:
        _ = desk.look().server
    assert "git pushd serve" in caught.value.remedy


def test_a_host_that_is_none(desk: Desk) -> None:
    with pytest.raises(BadServer):
        _ = desk.look(PUSHD_HOST="http://").server


def test_no_token(desk: Desk, api: FakeApi) -> None:
    with contextlib.closing(desk.look(host=api.url)) as look, pytest.raises(NotNamed) as caught:
        look.find_token(api.url)
    assert api.url in caught.value.message
    assert f"pushd login --host {api.url}" in caught.value.remedy


def test_no_token_for_a_server_that_is_not_there(desk: Desk) -> None:
    with pytest.raises(Unreachable, match="nobody listens there"):
        desk.look(host="http://127.0.0.1:1").find_token("http://127.0.0.1:1")
