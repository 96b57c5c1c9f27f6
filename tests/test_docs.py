"""What the docs promise is what the code has: commands, options, settings, paths, dependencies, states, links."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from enum import StrEnum
from pathlib import Path

import click
import pytest

from pushd import errors, problems
from pushd.api.routes import ROUTES
from pushd.cli import commands
from pushd.cli.drill.walk import CASES
from pushd.cli.main import load
from pushd.errors import PushdError
from pushd.model import dyno, release
from pushd.model.app_settings import APP_SETTINGS
from pushd.router.codes import CODES
from pushd.settings import SETTINGS

TOP = Path(__file__).parents[1]
DOCS = TOP / "docs"
PAGES = sorted([TOP / "README.md", TOP / "CHANGELOG.md", *DOCS.rglob("*.md")])

_HEADING = re.compile(r"^#{1,6} (?P<title>.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]\n]*\]\((?P<to>[^)\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"(?<!git push )(?<![\w/.:-])pushd (?P<name>[a-z][\w:-]*)(?P<rest>[^;|&#`()\n]*)")
_MAKE = re.compile(r"(?<![\w-])make (?P<target>[a-z.][\w./-]*)")
_OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def text_of(name: str) -> str:
    return (DOCS / name).read_text()


def sections(text: str, level: int) -> Iterator[tuple[str, str]]:
    """Title and body of each heading of that level."""
    parts = re.split(rf"^{'#' * level} (.+)$", text, flags=re.MULTILINE)
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        yield title, re.split(rf"^#{{1,{level}}} ", body, flags=re.MULTILINE)[0]


def section(text: str, title: str) -> str:
    return dict(sections(text, 2))[title]


def rows(text: str) -> list[list[str]]:
    """The cells of all table rows but headings, without the backticks."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    body = [line for line, after in zip(lines, [*lines[1:], ""], strict=True) if "|---" not in line and "|---" not in after]
    return [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in body]


def options_of(name: str) -> set[str]:
    found = commands.maybe_command(name)
    assert found
    options = [each for each in load(found[1]).params if isinstance(each, click.Option)]
    return {flag for each in options for flag in (*each.opts, *each.secondary_opts)}


COMMAND_SECTIONS = {_SPAN.findall(title)[0]: (title, body) for title, body in sections(text_of("commands.md"), 3)}


def test_every_command_and_alias_has_its_section() -> None:
    aliases = {long: [short for short, of in commands.ALIASES.items() if of == long] for long in commands.COMMANDS}

    assert {name: _SPAN.findall(title)[1:] for name, (title, _) in COMMAND_SECTIONS.items()} == aliases


@pytest.mark.parametrize("name", COMMAND_SECTIONS)
def test_a_command_is_documented_with_its_options(name: str) -> None:
    named = set(_OPTION.findall(" ".join(_SPAN.findall(COMMAND_SECTIONS[name][1].replace("\n", " ")))))
    known = options_of(name)

    assert named <= known | ({"--version"} if name == "version" else set())
    assert {option for option in known if option.startswith("--")} <= named


def test_the_daemons_settings() -> None:
    def default(value: object) -> str:
        return "see below" if value is None else str(value) or "(empty)"

    expected = [
        [each.name, each.flag, each.variable, default(each.default), f"{each.help} Unit: {each.unit}."] for each in SETTINGS
    ]
    assert rows(section(text_of("settings.md"), "The daemon")) == expected


def test_the_settings_of_an_app() -> None:
    expected = [[each.name, each.default or "(empty)", each.help] for each in APP_SETTINGS]

    assert rows(section(text_of("settings.md"), "One app")) == expected


def test_every_path_of_the_api() -> None:
    text = text_of("api.md")
    heroku, own = section(text, "Paths of the Platform API"), section(text, "Paths of our own")

    assert [(row[0], row[1]) for row in rows(heroku) + rows(own)] == [(each.method, each.path) for each in ROUTES]
    assert all(row[1].startswith("/-/") for row in rows(own))


def test_the_errors_of_the_api() -> None:
    kinds = [each for module in (errors, problems) for each in vars(module).values() if isinstance(each, type)]
    real = {(str(each.status), each.id) for each in kinds if issubclass(each, PushdError)}

    assert {(row[0], row[1]) for row in rows(section(text_of("api.md"), "Errors"))} <= real


def test_the_routers_codes() -> None:
    named = set(re.findall(r"\bH\d\d\b", text_of("apps.md")))

    assert named
    assert named <= set(CODES)


def test_every_dependency_has_its_reason() -> None:
    config = ConfigParser()
    config.read(TOP / "setup.cfg")
    text = text_of("dependencies.md")

    assert _documented(text, "Needed to run") == _required(config["options"]["install_requires"])
    assert _documented(text, "Needed to test") == _required(config["options.extras_require"]["test"])


def test_the_number_of_crash_cases() -> None:
    points = {point for case in CASES for point in (case.point, case.then) if point}

    assert re.findall(r"There are (\d+) cases: (\d+) points", text_of("reliability.md")) == [
        (str(len(CASES)), str(len(points)))
    ]


def _documented(text: str, title: str) -> set[str]:
    return {name.strip() for row in rows(section(text, title)) for name in row[0].split(",")}


def _required(text: str) -> set[str]:
    return {re.split(r"[<>=!~ ;\[]", line)[0] for line in text.split("\n") if line}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = [to for to in _LINK.findall(page.read_text()) if "://" not in to and not _leads_somewhere(page, to)]

    assert not broken


def _leads_somewhere(page: Path, to: str) -> bool:
    name, _, anchor = to.partition("#")
    target = (page.parent / name).resolve() if name else page
    return target.exists() and (not anchor or anchor in _anchors(target.read_text()))


def _anchors(text: str) -> set[str]:
    """As GitHub names headings: lower case, without punctuation, dashes for blanks."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in _HEADING.findall(text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_commands_in_examples_are_real(page: Path) -> None:
    for line in _code(page.read_text()):
        for found in _COMMAND.finditer(line):
            assert commands.maybe_command(found["name"]), line
            ours = found["rest"].partition(" -- ")[0]
            assert set(_OPTION.findall(ours)) <= options_of(found["name"]) | {"--help", "-h"}, line


def test_make_targets_in_examples_are_real() -> None:
    targets = set(re.findall(r"^([\w./-]+):(?!=)", (TOP / "Makefile").read_text(), re.MULTILINE))
    named = {found["target"] for page in PAGES for line in _code(page.read_text()) for found in _MAKE.finditer(line)}

    assert {"demo", "test"} <= named <= targets


def _code(text: str) -> Iterator[str]:
    """Lines of code blocks, and code within lines."""
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line
        else:
            yield from _SPAN.findall(line)


def test_the_diagrams_are_the_tables() -> None:
    """PUSHD_GOLDEN=write prints them anew."""
    page = DOCS / "dev" / "states.md"
    text = page.read_text()
    printed = text
    for title, moves in (("A dyno", dyno.MOVES), ("A release", release.MOVES)):
        body = section(text, title)
        printed = printed.replace(
            body, re.sub(r"```mermaid\n.*?```", f"```mermaid\n{diagram(moves)}```", body, flags=re.DOTALL)
        )
    if os.environ.get("PUSHD_GOLDEN") == "write":
        page.write_text(printed)

    assert page.read_text() == printed


def diagram(moves: Mapping[tuple[StrEnum, StrEnum], StrEnum]) -> str:
    """The table as Mermaid draws it; the first state of its first move is where it begins."""
    first = next(iter(moves))[0]
    arrows = [f"[*] --> {first}", *(f"{state} --> {after}: {event}" for (state, event), after in moves.items())]
    return "stateDiagram-v2\n" + "".join(f"    {arrow}\n" for arrow in arrows)
