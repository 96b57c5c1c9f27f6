"""Who one is, and the tokens by which the server knows it."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.heroku.harness import Heroku

WITHOUT_KEY = {"HEROKU_API_KEY": "", "HEROKU_NETRC_WRITE": "true"}


def tokens(heroku: Heroku) -> dict[str, str]:
    """Description -> id."""
    return {each["description"]: each["id"] for each in heroku.json("authorizations")}


def test_whoami(heroku: Heroku) -> None:
    assert heroku("auth:whoami") == heroku("whoami") == "admin@localhost\n"


def test_a_token_that_the_server_does_not_know(heroku: Heroku) -> None:
    result = heroku.fails("apps", HEROKU_API_KEY="wrong")

    assert "token provided to HEROKU_API_KEY is invalid" in result.stderr


def test_token(heroku: Heroku) -> None:
    assert heroku("auth:token").strip() == heroku.server.token


def test_two_factors(heroku: Heroku) -> None:
    assert heroku("auth:2fa") == "Two-factor authentication is not enabled\n"


def test_login_with_an_address_and_a_token_then_logout(heroku: Heroku) -> None:
    with heroku.terminal("login", "-i", **WITHOUT_KEY) as terminal:
        terminal.expect("Email")
        terminal.type("admin@localhost\r")
        terminal.expect("Password")
        terminal.type(heroku.server.token + "\r")
        terminal.expect("Logged in as")
        assert terminal.wait() == 0

    netrc = (heroku.home / ".netrc").read_text()
    token = netrc.split()[netrc.split().index("password") + 1]
    assert token != heroku.server.token  # one of its own
    assert heroku("auth:token", **WITHOUT_KEY).strip() == token
    assert heroku("whoami", **WITHOUT_KEY) == "admin@localhost\n"

    heroku("logout", **WITHOUT_KEY)

    assert "password" not in (heroku.home / ".netrc").read_text()
    assert heroku.maybe("whoami", **WITHOUT_KEY).exit_code == 100
    assert heroku.fails("apps", HEROKU_API_KEY=token).exit_code == 1  # revoked


def test_login_with_a_password(heroku: Heroku) -> None:
    server, email, password = heroku.server, "ada@example.com", "correct horse battery"
    _, made = server.call("POST", "/-/users", {"email": email})
    path = f"/password-resets/{made['invitation']['token']}/actions/finalize"
    assert server.call("POST", path, {"password": password, "password_confirmation": password})[0] == 200

    with heroku.terminal("login", "-i", **WITHOUT_KEY) as terminal:
        terminal.expect("Email")
        terminal.type(f"{email}\r")
        terminal.expect("Password")
        terminal.type(f"{password}\r")
        terminal.expect("Logged in as")
        assert terminal.wait() == 0

    assert heroku("whoami", **WITHOUT_KEY) == f"{email}\n"
    assert heroku.json("apps", **WITHOUT_KEY) == []
    assert password not in (heroku.home / ".netrc").read_text()


def test_login_with_a_wrong_token(heroku: Heroku) -> None:
    with heroku.terminal("login", "-i", **WITHOUT_KEY) as terminal:
        terminal.expect("Email")
        terminal.type("admin@localhost\r")
        terminal.expect("Password")
        terminal.type("wrong\r")
        terminal.expect("Invalid credentials provided")
        assert terminal.wait() == 2
    assert not (heroku.home / ".netrc").exists() or "password" not in (heroku.home / ".netrc").read_text()


def test_login_in_a_browser(heroku: Heroku) -> None:
    with heroku.terminal("login", columns=200, **WITHOUT_KEY) as terminal:
        terminal.expect("Press any key")
        terminal.type("b")
        shown = terminal.expect("Waiting for login")
        found = re.search(r"http://localhost:\d+/auth/browser/[\w-]+", shown)
        assert found, shown
        with urlopen(found[0]) as page:
            assert b"Heroku CLI login from " in page.read()
        with urlopen(found[0], urlencode({"token": heroku.server.token}).encode()) as page:
            assert b"goes on as admin@localhost" in page.read()
        terminal.expect("Logged in as")
        assert terminal.wait() == 0
    assert heroku("whoami", **WITHOUT_KEY) == "admin@localhost\n"


def test_an_entry_that_our_client_wrote_is_found(heroku: Heroku) -> None:
    host = heroku.variables["HEROKU_HOST"].partition("://")[2]
    lines = f"machine {host}\n  login admin@localhost\n  password {heroku.server.token}\n"
    (heroku.home / ".netrc").write_text(lines)
    (heroku.home / ".netrc").chmod(0o600)

    assert heroku("whoami", **WITHOUT_KEY) == "admin@localhost\n"
    heroku("logout", **WITHOUT_KEY)
    assert heroku("whoami") == "admin@localhost\n"  # the operator's own token is forgotten there, and lives on


def test_a_token_for_a_program(heroku: Heroku) -> None:
    made = heroku.json("authorizations:create", "-d", "a program's", "-e", "600", "-s", "read,identity")
    token = made["access_token"]["token"]
    assert made["scope"] == ["identity", "read"]
    assert heroku("whoami", HEROKU_API_KEY=token) == "admin@localhost\n"
    assert "scope of your token" in heroku.fails("create", HEROKU_API_KEY=token).stderr

    assert token not in heroku("authorizations:info", made["id"])
    assert "Description: another's" in heroku("authorizations:update", made["id"], "-d", "another's")
    rotated = heroku("authorizations:rotate", made["id"])
    assert heroku.fails("whoami", HEROKU_API_KEY=token).exit_code == 2
    new = re.search(r"Token: +(\S+)", rotated)
    assert new
    assert heroku("whoami", HEROKU_API_KEY=new[1]) == "admin@localhost\n"

    assert tokens(heroku)["another's"] == made["id"]
    heroku("authorizations:revoke", made["id"])
    assert "another's" not in tokens(heroku)
    assert "Couldn't find that authorization." in heroku.fails("authorizations:info", made["id"]).stderr


def test_only_the_token(heroku: Heroku) -> None:
    token = heroku("authorizations:create", "-S", "-d", "short").strip()
    assert heroku("whoami", HEROKU_API_KEY=token) == "admin@localhost\n"


def test_there_are_neither_clients_nor_sessions(heroku: Heroku) -> None:
    assert heroku("clients") == "No OAuth clients.\n"
    assert heroku("sessions") == "No OAuth sessions.\n"
    assert "There are no OAuth clients on this server." in heroku.fails("clients:create", "x", "https://example.com").stderr


def test_tokens_as_json_are_masked(heroku: Heroku) -> None:
    assert heroku.server.token not in json.dumps(heroku.json("authorizations"))


def test_the_helper_of_git_knows_the_token(heroku: Heroku) -> None:
    host = heroku.variables["HEROKU_HOST"].removeprefix("http://")

    answer = heroku("git:credentials", "get", stdin=f"protocol=https\nhost={host}\n\n")

    assert f"password={heroku.server.token}\n" in answer
