"""Filters choose among all lines first, and the count applies to what is left."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from pushd.layout import Layout
from pushd.logplex.logplex import Logplex
from tests.fakes import FakeClock
from tests.logplex.conftest import lines_of


@pytest.mark.parametrize(
    ("process", "source", "expected"),
    [
        ("router", None, ["request 8", "request 9"]),
        ("web", None, ["state 8", "state 9"]),
        ("web.1", "heroku", ["state 8", "state 9"]),
        (None, "heroku", ["state 8", "state 9"]),
        (None, "app", ["released 9", "pushed 9"]),
    ],
)
async def test_the_last_lines_that_were_asked_for(
    tmp_path: Path, process: str | None, source: str | None, expected: list[str]
) -> None:
    app = uuid4()
    async with Logplex(Layout(tmp_path), FakeClock()) as logplex:
        for number in range(10):
            logplex.say(app, "heroku", "router", f"request {number}")
        logplex.say(app, "app", "api", "released 9")
        logplex.say(app, "app", "api", "pushed 9")
        for number in range(10):
            logplex.say(app, "heroku", "web.1", f"state {number}")

        tail = lines_of(logplex.tail(app, lines=2, process=process, source=source))

        assert [line.message async for line in tail if line] == expected
