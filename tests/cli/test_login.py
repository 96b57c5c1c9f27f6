"""Log in, log out, who am I."""

from __future__ import annotations

import json
import stat

import pytest

from tests.cli.conftest import Cli
from tests.client.fake_api import INVITATION, TOKEN


@pytest.fixture
def stranger(cli: Cli) -> Cli:
    """Somebody without a token."""
    del cli.environ["PUSHD_API_KEY"]
    return cli


def test_login_keeps_a_token_that_works(stranger: Cli) -> None:
    assert stranger("apps").code == 1
    assert stranger.ok("login", stdin=TOKEN + "\n") == f"Logged in to {stranger.api.url} as ada@example.com\n"

    file = stranger.home / ".netrc"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"machine {stranger.api.url.removeprefix('http://')}\n" in file.read_text()
    assert "machine 127.0.0.1\n" in file.read_text()
    assert stranger("apps").code == 0
    assert stranger.ok("whoami") == "ada@example.com\n"


def test_login_with_a_wrong_token_keeps_nothing(stranger: Cli) -> None:
    ended = stranger("login", stdin="wrong\n")

    assert ended.code == 1
    assert "does not know that token" in ended.err
    assert "wrong" not in ended.err
    assert not (stranger.home / ".netrc").exists()


@pytest.mark.parametrize("typed", ["", "\n", "two words\n", "tökén\n"])
def test_login_with_no_token(stranger: Cli, typed: str) -> None:
    ended = stranger("login", stdin=typed)
    assert ended.code == 1
    assert "no token" in ended.err
    assert stranger.api.asked == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["login", "-i"], "That is no e-mail address."),
        (["login", "--invitation"], "That is no invitation."),
        (["auth:password"], "That is no password."),
    ],
)
def test_an_empty_pipe_is_told_what_was_asked_for(stranger: Cli, words: list[str], told: str) -> None:
    ended = stranger(*words, stdin="")

    assert (ended.code, ended.err.splitlines()[0].endswith(told)) == (1, True), ended.err


@pytest.mark.parametrize(("email", "code"), [("ada@example.com", 0), ("eve@example.com", 1)])
def test_login_with_a_password_keeps_a_token_that_ends(stranger: Cli, email: str, code: int) -> None:
    ended = stranger("login", "-i", stdin=f"{email}\n{stranger.api.password}\n")

    assert ended.code == code
    assert stranger.api.password not in ended.out + ended.err
    assert stranger.api.last("POST").body["expires_in"] == 30 * 86400
    if code == 0:
        netrc = (stranger.home / ".netrc").read_text()
        assert (TOKEN in netrc, stranger.api.password in netrc) == (True, False)
        assert stranger.ok("whoami") == "ada@example.com\n"
    else:
        assert "does not know that address with that password" in ended.err
        assert not (stranger.home / ".netrc").exists()


def test_blanks_around_a_password_are_its_own(stranger: Cli) -> None:
    stranger.api.password = "  correct horse  "
    stranger.ok("login", "-i", "-e", "60", stdin=f"ada@example.com\n{stranger.api.password}\n")
    assert stranger.api.last("POST").body["expires_in"] == 60


def test_an_invitation_sets_a_password_and_logs_in(stranger: Cli) -> None:
    told = stranger.ok("login", "--invitation", stdin=f"{INVITATION}\na password of mine\n")

    assert told == f"Logged in to {stranger.api.url} as ada@example.com\n"
    assert stranger.api.password == "a password of mine"
    assert stranger.ok("whoami") == "ada@example.com\n"
    refused = stranger("login", "--invitation", stdin="pushd-another\na password of mine\n")
    assert (refused.code, "not valid" in refused.err) == (1, True)


def test_login_on_a_terminal_goes_on_to_the_password(stranger: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = iter(["", stranger.api.password])
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda prompt: next(hidden))
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: "ada@example.com")

    assert stranger("login", terminal=True).code == 0
    assert stranger.ok("whoami") == "ada@example.com\n"


def test_a_password_is_changed_with_the_one_before(cli: Cli) -> None:
    old = cli.api.password
    assert cli("auth:password", stdin="wrong horse\nanother password\n").code == 1
    cli.ok("auth:password", stdin=f"{old}\nanother password\n")
    assert cli.api.password == "another password"
    cli.ok("auth:password", stdin="\na third password\n")  # where there was none
    assert cli.api.last("PATCH").body == {"new_password": "a third password"}
    assert cli("auth:password", stdin="\n").code == 1


def test_login_asks_on_a_terminal_without_echo(stranger: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def hidden(prompt: str) -> str:
        asked.append(prompt)
        return TOKEN

    monkeypatch.setattr("click.termui.hidden_prompt_func", hidden)
    assert stranger("login", terminal=True).code == 0
    assert len(asked) == 1


def test_logout(stranger: Cli) -> None:
    assert "holds no token" in stranger("logout").err
    stranger.ok("login", stdin=TOKEN + "\n")
    assert stranger.ok("logout") == f"Logged out of {stranger.api.url}\n"
    assert (stranger.home / ".netrc").read_text() == ""


def test_login_and_logout_as_json(stranger: Cli) -> None:
    server = stranger.api.url
    assert json.loads(stranger.ok("login", "--json", stdin=TOKEN + "\n"))["email"] == "ada@example.com"
    assert json.loads(stranger.ok("logout", "--json")) == {"server": server, "removed": True}
    assert json.loads(stranger.ok("logout", "--json")) == {"server": server, "removed": False}


def test_whoami(cli: Cli) -> None:
    assert json.loads(cli.ok("whoami", "--json"))["email"] == "ada@example.com"
