"""heroku-env: lines for a shell, files with the server's CA, and refusals that say what to do."""

from __future__ import annotations

import json
import os
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pushd.api.certificate import Certificate
from tests.cli.conftest import Cli
from tests.client.fake_api import TOKEN


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> str:
    certificate = Certificate(tmp_path_factory.mktemp("tls"), "localhost")
    certificate.refresh(datetime.now(UTC))
    return certificate.authority.read_text()


@pytest.fixture
def served(cli: Cli, authority: str) -> Cli:
    """The fake server with a CA."""
    cli.api.before = lambda asked: (200, authority.encode()) if asked.path == "/-/ca.pem" else None
    return cli


def variables(cli: Cli, *args: str, **environ: str) -> dict[str, str | None]:
    found: dict[str, str | None] = json.loads(cli.ok("heroku-env", "--json", *args, **environ))
    return found


def certificates(file: str | None) -> int:
    assert file
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(file)
    return len(context.get_ca_certs())


def test_it_points_at_localhost_and_keeps_the_ca_in_files_of_the_users(served: Cli) -> None:
    port = served.api.url.rpartition(":")[2]

    found = variables(served)

    assert (found["HEROKU_HOST"], found["HEROKU_API_KEY"]) == (f"http://localhost:{port}", TOKEN)
    assert found["GIT_CONFIG_KEY_0"] == f"http.https://localhost:{port}/.sslCAInfo"
    assert certificates(found["GIT_CONFIG_VALUE_0"]) == certificates(found["NODE_EXTRA_CA_CERTS"]) == 1
    assert all(str(file).startswith(str(served.home / ".config" / "pushd")) for file in (found["NODE_EXTRA_CA_CERTS"],))
    asked = next(each for each in served.api.asked if each.path == "/-/ca.pem")
    assert "authorization" not in asked.headers


def test_what_node_trusts_already_it_still_trusts_however_often_it_is_asked(served: Cli, tmp_path: Path) -> None:
    other = Certificate(tmp_path, "localhost")
    other.refresh(datetime.now(UTC))
    first = variables(served, NODE_EXTRA_CA_CERTS=str(other.authority))

    second = variables(served, **{name: value for name, value in first.items() if value is not None})

    assert certificates(second["NODE_EXTRA_CA_CERTS"]) == 2
    assert certificates(second["GIT_CONFIG_VALUE_0"]) == 1
    assert second == first


def test_a_file_that_node_cannot_read_is_told_and_left_out(served: Cli) -> None:
    ended = served("heroku-env", NODE_EXTRA_CA_CERTS="/nowhere/ca.pem")

    assert ended.code == 0
    assert "/nowhere/ca.pem" in ended.err


def test_lines_for_a_shell(served: Cli) -> None:
    assert f"export HEROKU_API_KEY={TOKEN}\n" in served.ok("heroku-env")
    assert f"set -gx HEROKU_API_KEY '{TOKEN}'\n" in served.ok("heroku-env", "--shell", "fish")


def test_unset_brings_the_old_values_back_and_needs_no_server(served: Cli) -> None:
    changed = {name: value for name, value in variables(served, HEROKU_API_KEY="mine").items() if value is not None}

    printed = served.ok("heroku-env", "--unset", PUSHD_HOST="http://127.0.0.1:1", **changed)

    assert "export HEROKU_API_KEY=mine\n" in printed
    assert "unset HEROKU_HOST\n" in printed
    assert "unset PUSHD_HEROKU_ENV" in printed


def test_unset_in_a_shell_that_was_never_changed(served: Cli) -> None:
    ended = served("heroku-env", "--unset", HEROKU_API_KEY="mine")

    assert (ended.code, ended.out.strip()) == (0, "")
    assert "Nothing to take back" in ended.err


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"PUSHD_HOST": "http://127.0.0.1:1"}, "nobody listens"),
        ({"PUSHD_HOST": "http://myserver:5000"}, "ssh -N -L 5000:127.0.0.1:5000 myserver"),
        ({"PUSHD_HOST": "unix:/run/pushd.sock"}, "unix socket"),
        ({"PUSHD_API_KEY": "wrong"}, "Log in with"),
        ({"PUSHD_API_KEY": ""}, "Not logged in"),
    ],
)
def test_refusals_print_no_line_for_the_shell(served: Cli, environ: dict[str, str], told: str) -> None:
    ended = served("heroku-env", **environ)

    assert (ended.code, ended.out) == (1, "")
    assert told in ended.err


def test_a_server_without_a_ca_is_told(cli: Cli) -> None:
    cli.api.before = lambda asked: (200, b"<html>") if asked.path == "/-/ca.pem" else None

    ended = cli("heroku-env")

    assert (ended.code, ended.out) == (1, "")
    assert "no CA certificate that can be read" in ended.err


def test_a_folder_that_cannot_be_written(served: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    ended = served("heroku-env", XDG_CONFIG_HOME=str(tmp_path / "file"))

    assert (ended.code, ended.out) == (1, "")
    assert "XDG_CONFIG_HOME" in ended.err


def test_no_file_is_left_half_written(served: Cli) -> None:
    variables(served)

    assert sorted(os.listdir(served.home / ".config" / "pushd"))[0].startswith("localhost-")
    assert len(os.listdir(served.home / ".config" / "pushd")) == 2
