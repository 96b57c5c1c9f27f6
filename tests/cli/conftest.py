"""The program, run in this process against a fake server, as a user whose home and project are temporary folders."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pushd.cli.main import run
from tests.client.fake_api import TOKEN, FakeApi, fake_api
from tests.client.folders import git, git_environ


class Keyboard(io.TextIOWrapper):
    """Standard input with given text; a terminal or not."""

    def __init__(self, text: str, *, terminal: bool) -> None:
        super().__init__(io.BytesIO(text.encode()), encoding="utf-8")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Cli:
    """Runs commands; `environ` and `folder` are the user's."""

    api: FakeApi
    home: Path
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.home / "project"

    def __call__(self, *args: str, stdin: str = "", terminal: bool = False, **environ: str) -> Ended:
        self.patch.setattr(sys, "stdin", Keyboard(stdin, terminal=terminal))
        self.capture.readouterr()
        code = run(list(args), environ={**self.environ, **environ}, folder=self.folder)
        said = self.capture.readouterr()
        return Ended(code, said.out, said.err)

    def ok(self, *args: str, stdin: str = "", **environ: str) -> str:
        """What a command that must succeed printed to stdout."""
        ended = self(*args, stdin=stdin, **environ)
        assert ended.code == 0, ended
        return ended.out

    def repository(self) -> None:
        """Make the project a git repository."""
        git(self.home, "init", "-q", str(self.folder))

    def git(self, *words: str) -> str:
        return git(self.folder, *words)


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with fake_api() as running:
        yield running


@pytest.fixture
def cli(api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Logged in to the fake server, which has no apps yet."""
    monkeypatch.setenv("COLUMNS", "80")
    home = tmp_path / "home"
    (home / "project").mkdir(parents=True)
    environ = git_environ(home, PUSHD_HOST=api.url, PUSHD_API_KEY=TOKEN, PUSHD_DATA_DIR=str(home / "no-data"))
    return Cli(api, home, capsys, monkeypatch, environ)


@pytest.fixture
def shop(api: FakeApi, cli: Cli) -> Cli:
    """The same with an app called shop, which PUSHD_APP names."""
    api.add_app("shop")
    cli.environ["PUSHD_APP"] = "shop"
    return cli
