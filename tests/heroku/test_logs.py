"""Logs: the last lines, filtered; and live."""

from __future__ import annotations

import signal

from tests.e2e.harness import PATIENCE_SECONDS, eventually, read_until
from tests.heroku.conftest import Live
from tests.heroku.harness import Heroku


def said(heroku: Heroku, site: Live, word: str) -> None:
    """Let the app print a word, and wait until it is in the log."""
    site.get(f"/log/{word}")
    assert eventually(lambda: word in heroku.server.ok("logs", "--app", site.name, "-p", "web"), what=f"{word} in the log")


def test_the_last_lines(heroku: Heroku, site: Live) -> None:
    said(heroku, site, "first-word")
    said(heroku, site, "second-word")

    every = heroku("logs", "-a", "site", "--no-color")
    assert "app[web.1]: first-word\n" in every
    assert "heroku[router]: " in every
    last = heroku("logs", "-n", "1", "-p", "web", "-a", "site", HEROKU_LOGS_COLOR="0").splitlines()
    assert [line.partition(": ")[2] for line in last] == ["second-word"]


def test_filters(heroku: Heroku, site: Live) -> None:
    said(heroku, site, "third-word")

    assert "third-word" in heroku("logs", "--dyno-name", "web.1", "-a", "site")
    assert "third-word" in heroku("logs", "--source", "app", "-a", "site")
    platform = heroku("logs", "-s", "heroku", "-a", "site")
    assert "State changed from starting to up" in platform
    assert "]: third-word" not in platform
    assert "third-word" not in heroku("logs", "--process-type", "worker", "-a", "site")


def test_live(heroku: Heroku, site: Live) -> None:
    tail = heroku.start("logs", "--tail", "-n", "1", "-a", "site")
    try:
        read_until(tail.stdout, ": ")  # the one old line: it listens
        site.get("/log/live-word")
        assert "app[web.1]: live-word" in read_until(tail.stdout, "live-word")
    finally:
        tail.send_signal(signal.SIGINT)
        tail.communicate(timeout=PATIENCE_SECONDS)


def test_another_app(heroku: Heroku) -> None:
    assert "Couldn't find that app." in heroku.fails("logs", "-a", "nobodys").stderr
