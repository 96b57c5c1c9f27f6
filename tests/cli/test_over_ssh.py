"""Which commands may be run over SSH, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushd.cli import commands
from pushd.cli.main import run
from pushd.cli.over_ssh import ELSEWHERE, SERVED, program


def over_ssh(*words: str, **environ: str) -> int:
    return run(
        words, environ={"PUSHD_DATA_DIR": "/dev/null", "GIT_DIR": "/dev/null", **environ}, folder=Path("/"), program=program
    )


def test_of_each_command_it_is_decided_whether_it_is_for_ssh() -> None:
    assert set(commands.COMMANDS) == SERVED | ELSEWHERE
    assert not SERVED & ELSEWHERE


@pytest.mark.parametrize("name", sorted(ELSEWHERE | {"login", "open", "hook", "complete:apps", "authorizations:destroy"}))
def test_what_is_for_elsewhere_says_so_and_does_nothing(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert over_ssh(name, "--help") == 1

    said = capsys.readouterr().err
    assert f"{name} is not for SSH" in said
    assert "git pushd" in said


def test_help_lists_what_is_served_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    assert over_ssh("help") == 0

    shown = capsys.readouterr().out
    assert "ssh -p 2222 myserver logs -t --app myapp" in shown
    listed = {line.split()[0] for line in shown.splitlines() if line.startswith("  ") and line.split()}
    assert listed >= SERVED
    assert not ELSEWHERE & listed
    assert over_ssh() == 0
    assert capsys.readouterr().out == shown


def test_help_of_one_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert over_ssh("help", "config:set") == 0
    assert capsys.readouterr().out.startswith("Usage: pushd config:set")
    assert over_ssh("help", "serve") == 1


def test_a_mistyped_one_and_one_of_herokus(capsys: pytest.CaptureFixture[str]) -> None:
    assert over_ssh("log") == 2
    assert "Did you mean logs" in capsys.readouterr().err
    assert over_ssh("pg:psql") == 1
    assert "no add-ons" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("ps", "--app", "x", "--host", "http://127.0.0.1:9"),
        ("apps", "--host=http://127.0.0.1:9"),
        ("ps", "--remote", "origin"),
        ("run", "-r", "origin", "ls"),
        ("apps:create", "x", "--remote", "origin"),
    ],
)
def test_no_other_server_is_asked(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert over_ssh(*words, PUSHD_HOST="http://127.0.0.1:1", PUSHD_API_KEY="t") == 1
    assert "leads to another server" in capsys.readouterr().err


def test_what_stands_in_a_command_of_the_apps_is_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    over_ssh("run", "--app", "x", "curl", "--host", "h", PUSHD_HOST="http://127.0.0.1:1", PUSHD_API_KEY="t")

    assert "Running curl --host h on" in capsys.readouterr().err


def test_help_does_not_name_what_leads_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    over_ssh("help", "ps")
    shown = capsys.readouterr().out
    assert "--app" in shown
    assert "--host" not in shown
    assert "--remote" not in shown
