"""One daemon per test process, an app of its own for each test, and a home of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.harness import FIXTURE_APPS, NEIGHBOURS, Page, Server, eventually, running
from tests.heroku.harness import Heroku, fresh_name, sink, variables_of


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.heroku)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running daemon; all its answers must fit the published schema."""
    folder = tmp_path_factory.mktemp("server")
    with running(Server(folder / "data", folder / "home", flags=NEIGHBOURS)) as started:
        yield started


@pytest.fixture(scope="session")
def variables(server: Server) -> Iterator[dict[str, str]]:
    """What a shell has; whatever the CLI asks of another host than localhost fails the last test of the process."""
    with sink() as elsewhere:
        yield variables_of(server, elsewhere.url)
        assert not elsewhere.asked, f"the CLI asked others: {elsewhere.asked}"


@pytest.fixture
def heroku(server: Server, variables: dict[str, str], tmp_path: Path) -> Heroku:
    """The CLI of a new user who works in an empty folder."""
    home, folder = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    folder.mkdir()
    return Heroku(server, home, folder, variables)


@pytest.fixture
def app(server: Server) -> Iterator[str]:
    """The name of a fresh app with nothing in it."""
    name = fresh_name()
    status, made = server.call("POST", "/apps", {"name": name})
    assert status == 201, made
    yield name
    server.call("DELETE", f"/apps/{name}")


@dataclass(frozen=True)
class Live:
    """An app that serves; its releases are v1 (empty), v2 (the push), v3 (GREETING=hello)."""

    server: Server
    name: str
    folder: Path

    def get(self, path: str = "/") -> Page:
        return self.server.get(self.name, path)

    def __str__(self) -> str:
        return self.name


@pytest.fixture(scope="session")
def site(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Live:
    """One for all tests that leave it as it is."""
    return _deploy(server, tmp_path_factory.mktemp("site") / "site", "site")


@pytest.fixture
def live(server: Server, tmp_path: Path) -> Iterator[Live]:
    """One for this test alone."""
    name = fresh_name()
    yield _deploy(server, tmp_path / name, name)
    server.call("DELETE", f"/apps/{name}")


def _deploy(server: Server, folder: Path, name: str) -> Live:
    project = server.project(folder, name)
    project.deploy()
    project.ok("config:set", "GREETING=hello", "--app", name)
    # The dyno before it says goodbye when it likes: in nobody's last lines.
    eventually(lambda: "Process exited" in server.ok("logs", "--app", name), what="the end of the first dyno")
    return Live(server, name, folder)


@pytest.fixture
def repository(heroku: Heroku) -> Path:
    """The user's folder with the fixture app `tiny` in it, committed to master."""
    shutil.copytree(FIXTURE_APPS / "tiny", heroku.folder, dirs_exist_ok=True)
    heroku.git("init", "-q", "-b", "master")
    heroku.git("add", "-A")
    heroku.git("commit", "-q", "-m", "first")
    return heroku.folder
