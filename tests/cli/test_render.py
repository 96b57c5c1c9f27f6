"""How things look in a pipe and on a terminal."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import click
import pytest

from pushd.cli import render

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROWS = [("v10", "Deploy 1a2b3c4"), ("v9", "Set GREETING config vars")]


@pytest.mark.parametrize(
    ("ago", "shown"),
    [
        (timedelta(0), "0s"),
        (timedelta(seconds=59), "59s"),
        (timedelta(minutes=3, seconds=59), "3m"),
        (timedelta(hours=23), "23h"),
        (timedelta(days=400), "400d"),
        (timedelta(seconds=-5), "0s"),  # clocks differ
    ],
)
def test_when(ago: timedelta, shown: str) -> None:
    assert render.when((NOW - ago).isoformat(), now=NOW).endswith(f"(~ {shown} ago)")


def test_when_of_something_else() -> None:
    assert render.when("2026-01-02T03:04:05Z", now=NOW) == "2026/01/02 03:04:05 +0000 (~ 0s ago)"
    assert render.when("yesterday") == "yesterday"


@pytest.mark.parametrize(
    ("count", "shown"), [(None, "0 B"), (0, "0 B"), (999, "999 B"), (1536, "2 KB"), (5_000_000, "5 MB"), (7e12, "7000 GB")]
)
def test_size(count: int | None, shown: str) -> None:
    assert render.size(count) == shown


def test_a_table_in_a_pipe_is_aligned_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    render.table(("VERSION", "DESCRIPTION"), [*ROWS, ("v8", "x" * 300), ("v7", None)])

    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["VERSION  DESCRIPTION", "v10      Deploy 1a2b3c4", "v9       Set GREETING config vars"]
    assert "x" * 300 in lines[3]
    assert lines[4] == "v7"


def test_a_table_on_a_terminal_fits_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    render.table(("VERSION", "DESCRIPTION"), [*ROWS, ("v8", "[bold]x[/bold] " * 20)])

    lines = capsys.readouterr().out.splitlines()
    assert all(len(click.unstyle(line)) <= 40 for line in lines)
    assert any("[bold]x" in line for line in lines)  # the text of others is no markup
    assert "\x1b[" in lines[0]


def test_no_color_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    with click.Context(click.Command("x"), color=False):
        render.heading("title")
        render.error("why", "what to do")
        with render.doing("Working"):
            pass
        render.table(("VERSION",), [("v1",)])

    said = capsys.readouterr()
    assert "\x1b[3" not in said.out + said.err  # no colour
    assert "\r" not in said.err  # and no spinner


def test_a_spinner_on_a_terminal_leaves_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with render.doing("Working") as step:
        step.note = "v5"

    said = capsys.readouterr().err
    assert said.endswith("\r\x1b[KWorking... done, v5\n")


def test_what_was_interrupted_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), render.doing("Working"):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "Working... interrupted\n"


def test_others_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    render.table(("DESCRIPTION",), [("\x1b]0;title\x07 \u202eevil",)])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
