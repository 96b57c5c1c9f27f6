"""One daemon per test process, shared; tests that stop or kill theirs start their own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import NEIGHBOURS, Project, Server, running

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running daemon."""
    folder = tmp_path_factory.mktemp("server")
    with running(Server(folder / "data", folder / "home", flags=NEIGHBOURS)) as started:
        yield started


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A daemon of this test alone."""
    with running(Server(tmp_path / "data", tmp_path / "home", flags=NEIGHBOURS)) as started:
        yield started


@pytest.fixture
def project(server: Server, tmp_path: Path) -> Iterator[Project]:
    """A fresh app called like nobody else's, not pushed yet."""
    app = f"tiny-{next(_numbers)}"
    made = server.project(tmp_path / app, app)
    yield made
    server.pushd("apps:destroy", "--app", app, "--confirm", app)


@pytest.fixture
def deployed(project: Project) -> Project:
    """The same, live."""
    project.deploy()
    return project


@pytest.fixture
def another(server: Server, tmp_path: Path) -> Iterator[Callable[[str], Project]]:
    """Makes further apps: `another("fixture")`."""
    made: list[Project] = []

    def make(fixture: str = "tiny") -> Project:
        app = f"more-{next(_numbers)}"
        made.append(server.project(tmp_path / app, app, fixture))
        return made[-1]

    yield make
    for each in made:
        server.pushd("apps:destroy", "--app", each.app, "--confirm", each.app)
