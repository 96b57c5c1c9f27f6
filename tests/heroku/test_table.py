"""docs/heroku-cli.md against the CLI and against these tests: no command is missing, and what works is really driven."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.heroku.harness import Heroku
from tests.heroku.install import ROOT, installed
from tests.test_docs import rows, sections

PAGE = dict(sections((ROOT / "docs" / "heroku-cli.md").read_text(), 2))["Commands"]
TABLES = {  # title -> the commands in it; in the first table they stand behind their topic
    title: [name for row in rows(body) for name in row[at].replace("`", "").split(", ")]
    for (title, body), at in zip(sections(PAGE, 3), (1, 0, 0, 0), strict=True)
}
WORK, DIFFER, NOT_OFFERED, LOCAL = TABLES.values()
ASKS_QUESTIONS = {"certs:generate", "data:pg:docs", "data:pg:migrate"}  # before they ask the server anything
ASKS_OTHERS = re.compile(  # hosts of Heroku's, which tests must not reach
    r"apps:(errors|favorites)|ci:(run|rerun|debug)|notifications|pipelines:(connect|diff|setup)|ps:autoscale|reviewapps:|status"
)
EXIT_CODES = {1, 2}
MAY_SUCCEED = {"container:logout", "telemetry:remove"}  # there is nothing to do


@cache
def commands() -> Mapping[str, Any]:
    """What `heroku commands` says of each, by its name."""
    path = ":".join([*map(str, installed()), os.environ["PATH"]])
    environ = {"PATH": path, "HOME": "/nonexistent", "DISABLE_TELEMETRY": "true", "HEROKU_DISABLE_AUTOUPDATE": "1"}
    ended = subprocess.run(["heroku", "commands", "--json"], env=environ, capture_output=True, check=True)
    return {each["id"]: each for each in json.loads(ended.stdout)}


def file_of(command: str) -> tuple[str, ...]:
    """Names of one command share it."""
    return tuple(commands()[command]["relativePath"])


def words_in(file: Path) -> set[str]:
    """First words of all texts in a test: of `heroku("apps", ...)`, and of tables of command lines."""
    texts = (node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant))
    return {text.split()[0] for text in texts if isinstance(text, str) and text.strip()}


def test_every_command_stands_in_one_table() -> None:
    named = [name for table in TABLES.values() for name in table]

    assert sorted(named) == sorted(set(named))
    assert set(named) == set(commands())


def test_the_counts() -> None:
    counted = {row[0]: int(row[1]) for row in rows(PAGE.partition("\n### ")[0])}

    assert list(counted.values()) == [len(WORK), len(DIFFER), len(NOT_OFFERED), len(LOCAL)]
    assert sum(counted.values()) == len(commands())
    assert f"has {len(commands())} commands" in PAGE


def test_what_works_or_differs_is_driven_by_a_test() -> None:
    words = {word for file in Path(__file__).parent.glob("test_*.py") if file != Path(__file__) for word in words_in(file)}
    driven = {file_of(word) for word in words & set(commands())}

    assert len(driven) >= 80
    undriven = [name for name in WORK + DIFFER if file_of(name) not in driven]
    assert not undriven, f"no test drives {undriven}"


def line_of(command: str, app: str) -> list[str]:
    """The command with something for each argument and option that it needs."""
    about = commands()[command]
    words = [command]
    words += [
        (each.get("options") or ["https://thing.example" if name.endswith("_uri") else "thing"])[0]  # the CLI reads it
        for name, each in about["args"].items()
        if each.get("required")
    ]
    for name, flag in about["flags"].items():
        value = app if name in ("app", "confirm") else (flag.get("options") or ["1"])[0]
        if name in ("app", "confirm") or flag.get("required"):
            words += [f"--{name}", value] if flag["type"] == "option" else [f"--{name}"]
    return words


@pytest.mark.long
@pytest.mark.parametrize(
    "command", [each for each in NOT_OFFERED if each not in ASKS_QUESTIONS and not ASKS_OTHERS.match(each)]
)
def test_what_is_not_offered_ends_with_a_sentence(heroku: Heroku, app: str, command: str) -> None:
    line = line_of(command, app)

    ended = heroku.maybe(*line, BROWSER="/bin/true", http_proxy="", https_proxy="")

    told = shlex.join(line), ended
    assert ended.exit_code in EXIT_CODES or command in MAY_SUCCEED, told
    assert "Error" in ended.stderr or command in MAY_SUCCEED, told
