"""App names for a Tab key: quickly, or silently none."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from pushd.cli import completion
from tests.cli.conftest import Cli


@pytest.fixture(autouse=True)
def no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The alarm is the process's, and ends it: not this one."""
    monkeypatch.setattr(completion, "_end_silently_after", lambda seconds: None)


def test_names_of_the_server_that_the_line_means(shop: Cli) -> None:
    shop.api.add_app("blog")
    assert shop.ok("complete:apps", "--", "pushd", "config", "-a") == "blog\nshop\n"
    assert shop.ok("complete:apps", "--", "pushd", "config", "--host", shop.api.url, PUSHD_HOST="") == "blog\nshop\n"
    assert shop.ok("complete:apps", "--", "pushd", "config", f"--host={shop.api.url}", PUSHD_HOST="") == "blog\nshop\n"
    assert "complete:apps" not in shop.ok("help")


@pytest.mark.parametrize(
    "environ", [{"PUSHD_HOST": ""}, {"PUSHD_API_KEY": "wrong"}, {"PUSHD_HOST": "http://127.0.0.1:1"}, {"PUSHD_HOST": "?"}]
)
def test_trouble_is_silent(shop: Cli, environ: dict[str, str]) -> None:
    ended = shop("complete:apps", "--", "pushd", "config", "-r", "nobody", **environ)
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_a_server_that_never_answers_is_not_waited_for(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        environ = cli.environ | {"PUSHD_HOST": f"http://127.0.0.1:{deaf.getsockname()[1]}", "PYTHONPATH": os.getcwd()}
        ended = subprocess.run(
            [sys.executable, "-m", "pushd", "complete:apps"], env=environ, cwd=cli.folder, capture_output=True, check=False
        )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
