"""How the program ends: exit codes, errors with a next step, no traceback, and what a command imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pushd import __version__
from pushd.cli import config
from tests.cli.conftest import Cli
from tests.client.fake_api import Answer, Asked, FakeApi


def test_version(cli: Cli) -> None:
    assert cli.ok("--version") == cli.ok("version") == f"pushd {__version__}\n"
    assert json.loads(cli.ok("version", "--json"))["version"] == __version__


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("confg:set", "Did you mean config:set"),
        ("rollbak", "Did you mean rollback"),
        ("xyzzy", "`pushd help` lists"),
        ("/tmp", "shell-init"),
        ("+1", "shell-init"),
        ("apps:lst", "apps:list"),
    ],
)
def test_an_unknown_command(cli: Cli, typed: str, says: str) -> None:
    ended = cli(typed)

    assert ended.code == 2
    assert says in ended.err
    assert cli("help", typed).code == 2


@pytest.mark.parametrize(
    "args",
    [
        ["config:set"],
        ["config:set", "NO_EQUALS_SIGN"],
        ["config:set", "=value"],
        ["config:get"],
        ["ps:scale", "web"],
        ["ps:scale", "web=many"],
        ["ps:scale", "web=2", "--bogus"],
        ["logs", "-n", "0"],
        ["logs", "-n", "lots"],
        ["apps:create", "one", "two"],
        ["run:detached"],
        ["run:detached", "-e", "NOPE", "ls"],
        ["settings:set", "nope"],
        ["shell-init", "tcsh"],
        ["git:credentials", "steal"],
        ["--bogus"],
    ],
)
def test_usage_errors_end_with_2_before_anything_is_asked(shop: Cli, args: list[str]) -> None:
    ended = shop(*args)

    assert ended.code == 2
    assert ended.err.startswith(" !    ")
    assert shop.api.asked == []


def test_an_option_before_the_command_is_told_where_it_belongs(shop: Cli) -> None:
    ended = shop("--app", "shop", "ps")

    assert ended.code == 2
    assert "No such option '--app'." in ended.err
    assert "behind the command" in ended.err


def test_a_usage_error_shows_where_the_help_is(shop: Cli) -> None:
    assert "See `pushd help config:set`." in shop("config:set", "nope").err


def test_a_refusal_is_two_lines_and_exit_1(cli: Cli) -> None:
    ended = cli("info", "--app", "nobody")

    assert ended.code == 1
    assert ended.err == " !    Couldn't find that app.\n !    `pushd apps` lists yours; name one with --app.\n"
    assert ended.out == ""


def test_colours_of_errors_on_a_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    assert "\x1b[31m" in cli("info", "--app", "nobody").err
    assert "\x1b" not in cli("info", "--app", "nobody", NO_COLOR="1").err


@pytest.mark.parametrize(
    ("environ", "says", "next_step"),
    [
        ({"PUSHD_API_KEY": "wrong"}, "Invalid credentials", "pushd login"),
        ({"PUSHD_API_KEY": ""}, "Not logged in", "pushd login"),
        ({"PUSHD_HOST": "http://127.0.0.1:1"}, "nobody listens", "git pushd serve"),
        ({"PUSHD_HOST": ""}, "No pushd server", "git pushd serve"),
        ({"PUSHD_HOST": "http://no.such.host.invalid"}, "Cannot find the host", "URL"),
        ({"PUSHD_HOST": "::"}, "is not the URL of a server", "http://127.0.0.1:5000"),
    ],
)
def test_no_server_or_no_token(cli: Cli, environ: dict[str, str], says: str, next_step: str) -> None:
    ended = cli("apps", **environ)

    assert ended.code == 1
    assert says in ended.err
    assert next_step in ended.err
    assert "Traceback" not in ended.err


def test_no_app(cli: Cli) -> None:
    ended = cli("config")

    assert ended.code == 1
    assert "No app" in ended.err
    assert "--app" in ended.err


def test_the_servers_text_cannot_steer_the_terminal(shop: Cli) -> None:
    shop.api.before = lambda asked: (422, {"message": "evil \x1b[2J\nmore \x07"})
    assert "\x1b" not in shop("config").err


def test_a_bug_of_ours_is_told_without_a_traceback(shop: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(config.render, "pairs", broken)
    shop.api.config["shop"]["A"] = "1"
    ended = shop("config")

    assert ended.code == 1
    assert "PUSHD_DEBUG=1" in ended.err
    assert "Traceback" not in ended.err
    assert "secret detail" not in ended.err
    with pytest.raises(ZeroDivisionError):
        shop("config", PUSHD_DEBUG="1")


def test_an_answer_of_another_shape_is_told_without_a_traceback(shop: Cli) -> None:
    shop.api.before = lambda asked: (200, {"surprise": True})
    ended = shop("info")
    assert ended.code == 1
    assert "Traceback" not in ended.err


def program(cli: Cli, *args: str) -> subprocess.Popen[str]:
    """The program as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "pushd", *args], cwd=cli.folder, env=cli.environ | {"PYTHONPATH": str(Path.cwd())},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_ctrl_c_ends_quietly_with_130(shop: Cli) -> None:
    running: list[subprocess.Popen[str]] = []

    def before(asked: Asked) -> Answer | None:
        if asked.path == "/apps/shop/config-vars":  # the client now waits for this answer
            running[0].send_signal(signal.SIGINT)
            running[0].wait()
        return None

    shop.api.before = before
    running.append(program(shop, "config"))
    out, err = running[0].communicate(timeout=60)

    assert running[0].returncode == 130
    assert (out, err) == ("", "")


def test_a_reader_that_had_enough_is_no_failure(shop: Cli) -> None:
    shop.api.logs = [f"{number} app[web.1]: {'x' * 2000}" for number in range(1000)]
    reader = program(shop, "logs", "-n", "1000")
    assert reader.stdout
    reader.stdout.readline()
    reader.stdout.close()
    _, err = reader.communicate(timeout=60)

    assert reader.returncode == 0
    assert err == ""


@pytest.mark.parametrize(
    "args", [["config"], ["config:set", "A=1"], ["ps"], ["releases"], ["logs"], ["git:credentials", "get"]]
)
def test_one_shot_commands_import_nothing_slow(shop: Cli, args: list[str]) -> None:
    """Structure instead of a clock: what would cost more than all the rest is not even imported."""
    script = (
        "import sys, pathlib\n"
        "from pushd.cli.main import run\n"
        "from pushd.surroundings import process_environ\n"
        "code = run(sys.argv[1:], environ=process_environ(), folder=pathlib.Path.cwd())\n"
        "slow = {'asyncio', 'aiohttp', 'rich', 'uvloop', 'dulwich', 'cryptography', 'psutil', 'unittest'} & set(sys.modules)\n"
        "assert not slow, slow\n"
        "assert not any(name.startswith(('pushd.api', 'pushd.store', 'pushd.daemon')) for name in sys.modules)\n"
        "others = {name for name in sys.modules if name.startswith('pushd.cli.')}\n"
        "assert len(others) < 14, others\n"
        "sys.exit(code)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, *args], cwd=shop.folder, env=shop.environ | {"PYTHONPATH": os.getcwd()},
        input="", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr


def test_both_programs_are_installed() -> None:
    for name in ("pushd", "git-pushd"):
        ended = subprocess.run([Path(sys.executable).parent / name, "version"], capture_output=True, text=True, check=True)
        assert ended.stdout == f"pushd {__version__}\n"


def test_an_api_that_asks_too_much(api: FakeApi, cli: Cli) -> None:
    """A name that nobody has is refused by the server, and its words reach the user."""
    api.add_app("shop")
    ended = cli("create", "shop")
    assert ended.code == 1
    assert "Creating app... failed" in ended.err
    assert " !    Name shop is already taken.\n !    Pick another name.\n" in ended.err
