"""Small words: log lines, epochs, dyno names."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pushd.model.dyno import DYNO_NAME, Epoch
from pushd.model.logline import LogLine


def test_a_log_line_reads_as_on_heroku() -> None:
    line = LogLine(datetime(2026, 1, 1, 10, tzinfo=UTC), "app", "web.1", "hello")

    assert line.text() == "2026-01-01T10:00:00.000000+00:00 app[web.1]: hello"


def test_a_restart_and_a_release_make_a_later_epoch() -> None:
    assert Epoch(1, 0) < Epoch(1, 1) < Epoch(2, 1)
    assert Epoch(1, 1) == Epoch(1, 1)


@pytest.mark.parametrize(
    ("name", "good"), [("web.1", True), ("a_b-C.20", True), ("web", False), ("web.", False), (".1", False), ("a b.1", False)]
)
def test_dyno_names(name: str, good: bool) -> None:
    assert (DYNO_NAME.fullmatch(name) is not None) is good
