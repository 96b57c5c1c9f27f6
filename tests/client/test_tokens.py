"""Tokens: every source and who wins, whose server git may have one for, and what answering git costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pushd.client.netrc import Netrc
from pushd.client.tokens import answer_git, is_ours, maybe_local, maybe_token, why_no_answer
from pushd.errors import PushdError
from tests.client.folders import data_folder, git, git_environ

HERE, THERE = "http://127.0.0.1:5000", "http://there.example:5000"
SLOW = (
    "aiohttp", "ast", "asyncio", "click", "collections", "dataclasses", "enum", "functools", "http", "inspect", "ipaddress",
    "json", "pathlib", "re", "socket", "ssl", "subprocess", "tomllib", "typing", "urllib", "uuid", "pushd.settings",
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    (made / "project").mkdir(parents=True)
    return made


def environ(home: Path, **more: str) -> dict[str, str]:
    return git_environ(home, PUSHD_DATA_DIR=str(home / "data")) | more


def question(server: str, **more: str) -> bytes:
    """What git writes to a helper."""
    scheme, _, host = server.partition("://")
    return "".join(f"{key}={value}\n" for key, value in ({"protocol": scheme, "host": host} | more).items()).encode()


# --- which token


def test_key_beats_netrc_beats_admin_token(home: Path) -> None:
    data_folder(home / "data", HERE, "from-admin-token")
    assert maybe_token(HERE, environ(home)) == "from-admin-token"
    Netrc(home / ".netrc").save(HERE, login="ada", token="from-netrc")
    assert maybe_token(HERE, environ(home)) == "from-netrc"
    assert maybe_token(HERE, environ(home, PUSHD_API_KEY="from-key")) == "from-key"


def test_the_key_is_for_the_named_host_only(home: Path) -> None:
    named = environ(home, PUSHD_HOST=HERE + "/", PUSHD_API_KEY="key")

    assert maybe_token(HERE, named) == "key"
    assert maybe_token(THERE, named) is None


@pytest.mark.parametrize("server", [THERE, "http://127.0.0.1:5001", "https://127.0.0.1:5000", "http://localhost:5000"])
def test_the_admin_token_is_for_that_very_api_only(home: Path, server: str) -> None:
    data_folder(home / "data", HERE, "t")
    assert maybe_token(server, environ(home)) is None


def test_a_data_folder_without_a_token_has_none(home: Path) -> None:
    data_folder(home / "data", HERE, None)
    assert maybe_token(HERE, environ(home)) is None


@pytest.mark.parametrize("key", ["two words", "new\nline", "ünïcode"])
def test_a_key_that_no_header_can_carry(home: Path, key: str) -> None:
    with pytest.raises(PushdError) as caught:
        maybe_token(HERE, environ(home, PUSHD_API_KEY=key))
    assert "PUSHD_API_KEY" in caught.value.message
    assert key not in caught.value.text


# --- the daemon of this machine


@pytest.mark.parametrize(
    ("api", "shape"),
    [
        (HERE, {"indent": 1}),
        (HERE, {"separators": (",", ":")}),
        ("unix:/srv/plain/api.sock", {}),
        ('unix:/srv/ödd "name"/api.sock', {}),
    ],
)
def test_endpoints_in_any_spelling_of_json(home: Path, api: str, shape: dict[str, object]) -> None:
    data = data_folder(home / "data", HERE, "t")
    (data / "run" / "endpoints.json").write_text(json.dumps({"router": "http://h:1", "api": api}, **shape))  # type: ignore[arg-type]

    found = maybe_local(api, environ(home))

    assert found
    assert found.maybe_token() == "t"


def test_its_own_ca_is_trusted_once_there_is_one(home: Path) -> None:
    data = data_folder(home / "data", HERE, "t")
    found = maybe_local(HERE, environ(home))
    assert found
    assert found.maybe_ca() is None
    (data / "tls").mkdir()
    (data / "tls" / "ca.pem").write_text("CA")
    assert found.maybe_ca() == str(data / "tls" / "ca.pem")


# --- whose host git may get a token for


def test_which_servers_are_ours(home: Path) -> None:
    project = home / "project"
    assert not is_ours(THERE, environ(home), project)
    assert is_ours(THERE, environ(home, PUSHD_HOST=THERE), project)
    data_folder(home / "data", HERE, "t")
    assert is_ours(HERE, environ(home), project)
    git(home, "init", "-q", str(project))
    git(project, "remote", "add", "pushd", f"{THERE}/shop.git")
    git(project, "config", "remote.pushd.pushd", THERE)
    assert is_ours(THERE, environ(home), project)
    assert not is_ours("https://github.com", environ(home), project)


def test_the_answer_to_git(home: Path) -> None:
    data_folder(home / "data", HERE, "t")

    assert answer_git(question(HERE), environ(home)) == b"username=pushd\npassword=t\n"
    assert answer_git(question(HERE, username="ädä", path="x"), environ(home)) == "username=ädä\npassword=t\n".encode()
    assert answer_git(question(HERE, username="ada").replace(b"\n", b"\r\n"), environ(home)).startswith(b"username=ada\n")


@pytest.mark.parametrize(
    "asked", [b"", b"host", b"protocol=http\n", b"\xff\xfe=\xff\n", question("https://github.com"), question(HERE + "\xe9")]
)
def test_silence_for_others(home: Path, asked: bytes) -> None:
    data_folder(home / "data", HERE, "t")
    assert answer_git(asked, environ(home)) == b""
    assert answer_git(asked, environ(home, PUSHD_API_KEY="key")) == b""  # a key without a host is for servers that are ours


def test_trouble_is_silence_for_git(home: Path) -> None:
    data_folder(home / "data", HERE, "t")
    assert answer_git(question(HERE), environ(home, PUSHD_API_KEY="two words")) == b""
    assert "cannot be one" in why_no_answer(question(HERE), environ(home, PUSHD_API_KEY="two words"))
    (home / ".netrc").mkdir()
    assert answer_git(question(HERE), environ(home)) == b""


def test_who_has_no_token_is_told_how_to_get_one_and_nobody_else_is(home: Path) -> None:
    data_folder(home / "data", HERE, None)
    assert why_no_answer(question(HERE), environ(home)).endswith(f"Run: pushd login --host {HERE}")
    assert why_no_answer(question("https://github.com"), environ(home)) == ""


# --- what it costs: not by a clock, but by what is imported


@pytest.mark.parametrize("action", ["get", "store", "erase"])
@pytest.mark.parametrize("named_by", ["data folder", "environment"])
def test_git_waits_for_no_import(home: Path, action: str, named_by: str) -> None:
    data_folder(home / "data", HERE, "t0ken")
    more = {} if named_by == "data folder" else {"PUSHD_HOST": HERE, "PUSHD_API_KEY": "t0ken"}
    script = (
        "import os, sys\n"
        "os._exit = lambda code: print(code, *sys.modules, file=sys.stderr)  # what it ends with\n"
        "from pushd.cli.entry import main\n"
        "main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-S", "-c", script, "git:credentials", action],  # -S: nothing that the virtualenv itself brings
        cwd=home / "project", env=environ(home, PYTHONPATH=str(Path(__file__).parents[2]), **more),
        input=question(HERE), capture_output=True, check=True,
    )  # fmt: skip

    assert ended.stdout == (b"username=pushd\npassword=t0ken\n" if action == "get" else b"")
    code, *imported = ended.stderr.decode().split()
    assert code == "0"
    assert "pushd.cli.entry" in imported
    assert not [name for name in imported if name.startswith(SLOW)]
    if action != "get":
        assert not {name for name in imported if name.startswith("pushd.")} - {"pushd.cli", "pushd.cli.entry"}
