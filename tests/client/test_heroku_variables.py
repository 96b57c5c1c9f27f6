"""What the shell is told: which variables, how they are quoted, and that all of it can be taken back."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.client.heroku_variables import (
    KEPT,
    Changes,
    NotLocal,
    find_port,
    original,
    plan_changes,
    plan_undoing,
    shell_text,
)
from tests.client.folders import git, git_environ

OURS = {"port": 5000, "token": "t0ken", "git_authority": "/ca.pem", "node_authorities": "/both.pem"}


def planned(environ: Mapping[str, str]) -> Changes:
    return plan_changes(environ, **OURS)  # type: ignore[arg-type]  # one dict of all four


def applied(environ: Mapping[str, str], changes: Changes) -> dict[str, str]:
    return {name: value for name, value in {**environ, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("server", "port"),
    [
        ("http://127.0.0.1:5000", 5000),
        ("http://localhost:5000", 5000),
        ("https://localhost:7000", 7000),
        ("http://[::1]:5000", 5000),
        ("http://localhost", 80),
        ("https://localhost", 443),
    ],
)
def test_a_server_on_this_machine_is_localhost(server: str, port: int) -> None:
    assert find_port(server) == port


@pytest.mark.parametrize("server", ["http://myserver:5000", "http://localhost.example.com:5000", "http://localhost:5000/api"])
def test_a_server_elsewhere_is_refused_with_the_tunnel_to_it(server: str) -> None:
    with pytest.raises(NotLocal) as refused:
        find_port(server)

    assert "ssh -N -L 5000:127.0.0.1:5000" in refused.value.remedy


def test_a_unix_socket_is_refused() -> None:
    with pytest.raises(NotLocal, match="unix socket"):
        find_port("unix:/run/pushd/api.sock")


def test_what_points_the_cli_here() -> None:
    changes = planned({"HOME": "/home/ada", "HEROKU_APP": "shop"})

    assert changes["HEROKU_HOST"] == changes["HEROKU_LOGIN_HOST"] == "http://localhost:5000"
    assert changes["HEROKU_API_KEY"] == "t0ken"
    assert changes["HEROKU_DATA_HOST"] == "localhost"
    assert changes["NODE_EXTRA_CA_CERTS"] == "/both.pem"
    assert None not in changes.values()
    assert "HEROKU_APP" not in changes


@pytest.mark.parametrize("name", ["HEROKU_TEAM", "HEROKU_ORGANIZATION", "HEROKU_GIT_HOST", "HEROKU_HEADERS"])
def test_what_would_lead_elsewhere_is_taken_away(name: str) -> None:
    assert planned({name: "x"})[name] is None


@pytest.mark.parametrize(
    ("environ", "no_proxy"),
    [
        ({}, None),
        ({"https_proxy": "http://proxy:3128"}, "localhost"),
        ({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "intra, 10.0.0.1"}, "intra,10.0.0.1,localhost"),
        ({"http_proxy": "http://proxy:3128", "no_proxy": "localhost"}, None),
        ({"http_proxy": "http://proxy:3128", "no_proxy": "*"}, None),
    ],
)
def test_a_proxy_is_not_asked_for_localhost(environ: dict[str, str], no_proxy: str | None) -> None:
    changes = planned(environ)

    assert changes.get("no_proxy") == changes.get("NO_PROXY") == no_proxy


def test_git_trusts_us_for_our_url_alone_beside_what_it_was_told_before(tmp_path: Path) -> None:
    before = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "user.name",
        "GIT_CONFIG_VALUE_0": "Ada",
        "GIT_SSL_CAINFO": "/all.pem",
    }
    environ = applied({**git_environ(tmp_path), **before}, planned(before))

    def asked(*words: str) -> str:
        return subprocess.run(["git", "config", *words], env=environ, capture_output=True, text=True, check=True).stdout.strip()

    assert asked("--get-urlmatch", "http.sslCAInfo", "https://localhost:5000/shop.git") == "/ca.pem"
    assert asked("--get-urlmatch", "http.sslCAInfo", "https://localhost:5001/shop.git") == "/all.pem"
    assert asked("--get-urlmatch", "http.sslCAInfo", "https://github.com/a/b.git") == "/all.pem"
    assert asked("user.name") == "Ada"
    assert "GIT_SSL_CAINFO" not in environ
    assert git(tmp_path, "--version")  # what our tests call git with is untouched


def test_no_helper_of_the_users_own_keeps_our_token_or_answers_with_another(tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text("[credential]\n\thelper = store\n")
    (tmp_path / ".git-credentials").write_text("https://me:hunter2@localhost:5000\nhttps://me:theirs@localhost:6000\n")
    program = tmp_path / "bin" / "heroku"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\n[ "$2" != get ] || printf "username=heroku\\npassword=%s\\n" "$HEROKU_API_KEY"\n')
    program.chmod(0o755)
    environ = applied(git_environ(tmp_path, GIT_CONFIG_GLOBAL=str(tmp_path / ".gitconfig")), planned({}))
    environ["PATH"] = f"{program.parent}:{environ['PATH']}"

    def asked(action: str, text: str) -> str:
        argv = ["git", "credential", action]
        return subprocess.run(argv, env=environ, input=text, capture_output=True, text=True, check=True).stdout

    ours = asked("fill", "protocol=https\nhost=localhost:5000\n\n")
    asked("approve", ours)

    assert f"password={environ['HEROKU_API_KEY']}\n" in ours
    assert environ["HEROKU_API_KEY"] not in (tmp_path / ".git-credentials").read_text()
    assert "password=theirs\n" in asked("fill", "protocol=https\nhost=localhost:6000\n\n")


ENVIRONMENTS = st.dictionaries(
    st.sampled_from(
        [
            "HEROKU_HOST",
            "HEROKU_TEAM",
            "HEROKU_API_KEY",
            "NODE_EXTRA_CA_CERTS",
            "GIT_CONFIG_COUNT",
            "GIT_SSL_CAINFO",
            "http_proxy",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
)


@given(ENVIRONMENTS)
def test_undoing_brings_back_what_was_there_however_often_it_was_changed(environ: dict[str, str]) -> None:
    once = applied(environ, planned(environ))
    twice = applied(once, planned(original(once)))

    assert twice == once
    assert applied(twice, plan_undoing(twice)) == environ == original(twice)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"A;rm -rf /": "x"}', '{"A B": "x", "C": 5}', "null"])
def test_what_others_wrote_there_is_no_command(text: str) -> None:
    assert plan_undoing({KEPT: text}) == {KEPT: None}
    assert plan_undoing({}) == {}


NASTY = [
    "",
    "plain",
    "two words",
    "it's",
    '"; rm -rf /; "',
    "$(id)`id`",
    "back\\slash\\'",
    "line\nbreak",
    "é😀",
    "!!",
    "~",
    "*",
]


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish"])
def test_no_value_is_a_command_to_a_shell(shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    assert program, f"{shell} is not installed: see .ci/install"
    wanted: dict[str, Any] = {f"NAME_{number}": text for number, text in enumerate(NASTY)}
    script = tmp_path / "script"
    script.write_text(shell_text({**wanted, "GONE": None}, shell) + "\nprintenv -0\n")
    ended = subprocess.run(
        [program, str(script)],
        capture_output=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "GONE": "x", "HOME": str(tmp_path)},
    )
    found = dict(line.split("=", 1) for line in ended.stdout.decode().split("\0") if "=" in line)

    assert {name: found[name] for name in wanted} == wanted
    assert "GONE" not in found
    assert ended.stderr == b""


def test_kept_values_are_json() -> None:
    assert json.loads(str(planned({"HEROKU_HOST": "x"})[KEPT]))["HEROKU_HOST"] == "x"
