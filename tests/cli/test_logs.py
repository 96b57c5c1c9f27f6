"""Logs as people and programs read them."""

from __future__ import annotations

import json
import sys

import pytest

from pushd.cli.logs import _coloured
from tests.cli.conftest import Cli

LINE = "2026-01-02T03:04:05.678901+00:00 app[web.1]: hello: [world]"


def test_lines_are_printed_as_they_are(shop: Cli) -> None:
    shop.api.logs = [LINE, "2026-01-02T03:04:06.000000+00:00 heroku[router]: at=info \x1b[1mbold\x1b[0m"]
    printed = shop.ok("logs")

    assert printed == "".join(f"{line}\n" for line in shop.api.logs)  # an app's own colours too
    assert shop.api.last("POST").body == {"lines": 100, "tail": False}


@pytest.mark.parametrize(
    ("args", "body"),
    [
        (["-n", "5"], {"lines": 5}),
        (["--num", "1500"], {"lines": 1500}),
        (["-p", "web"], {"dyno": "web"}),
        (["--process-type", "web"], {"dyno": "web"}),
        (["--ps", "web"], {"dyno": "web"}),
        (["-d", "web.1"], {"dyno": "web.1"}),
        (["--dyno", "web.1"], {"dyno": "web.1"}),
        (["--dyno-name", "web.1"], {"dyno": "web.1"}),
        (["--source", "heroku"], {"source": "heroku"}),
    ],
)
def test_options(shop: Cli, args: list[str], body: dict[str, object]) -> None:
    shop.ok("logs", *args)
    assert body.items() <= shop.api.last("POST").body.items()


def test_one_filter_at_a_time(shop: Cli) -> None:
    assert shop("logs", "-p", "web", "-d", "web.1").code == 2


def test_a_line_per_json_object(shop: Cli) -> None:
    shop.api.logs = [LINE]
    assert json.loads(shop.ok("logs", "--json")) == {
        "at": "2026-01-02T03:04:05.678901+00:00", "source": "app", "process": "web.1", "message": "hello: [world]",
    }  # fmt: skip


def test_colours_change_no_word(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert _coloured(LINE, None) == LINE  # in a pipe
    assert _coloured(LINE, True) != LINE
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    coloured = _coloured(LINE, None)
    assert coloured != LINE
    assert "app[web.1]:" in coloured
    assert coloured.endswith(" hello: [world]")
    assert _coloured(LINE, False) == LINE
    assert _coloured("not a log line", None) == "not a log line"
