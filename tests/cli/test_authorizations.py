"""Tokens of the account."""

from __future__ import annotations

import json

from tests.cli.conftest import Cli
from tests.client.fake_api import TOKEN


def make(cli: Cli, *options: str) -> str:
    """A token's id."""
    return str(json.loads(cli.ok("authorizations:create", "--json", *options))["id"])


def rows(printed: str) -> dict[str, str]:
    """Names and values of aligned lines."""
    return {name: value.strip() for name, _, value in (line.partition(":") for line in printed.splitlines())}


def test_a_token_is_made_and_shown_once(cli: Cli) -> None:
    printed = cli.ok("authorizations:create", "-d", "ci", "-e", "60", "-s", "read, write-protected")
    assert rows(printed)["Token"] == TOKEN
    assert rows(printed)["Scope"] == "read,write-protected"
    assert "Expires at" in rows(printed)
    assert cli.api.last("POST").body == {"description": "ci", "expires_in": 60, "scope": ["read", "write-protected"]}

    (made,) = cli.api.authorizations
    assert TOKEN not in cli.ok("authorizations:info", made) + cli.ok("authorizations")


def test_only_the_token(cli: Cli) -> None:
    assert cli.ok("authorizations:create", "--short") == TOKEN + "\n"
    assert cli.api.last("POST").body == {}


def test_a_token_of_one_app(cli: Cli) -> None:
    made = make(cli, "-d", "ci", "-s", "deploy", "-a", "shop")
    assert cli.api.last("POST").body == {"description": "ci", "scope": ["deploy"], "app": "shop"}
    assert rows(cli.ok("authorizations:info", made))["App"] == "shop"
    assert cli.ok("authorizations").split()[-4:] == ["ci", made, "deploy", "shop"]


def test_tokens_are_listed_by_description(cli: Cli) -> None:
    zoo, ant = make(cli, "-d", "zoo"), make(cli, "-d", "ant", "-s", "identity")
    assert cli.ok("authorizations").split() == [
        *("Description", "ID", "Scope", "App"),
        *("ant", ant, "identity", "all"),
        *("zoo", zoo, "global", "all"),
    ]
    assert [each["id"] for each in json.loads(cli.ok("authorizations", "-j"))] == [ant, zoo]


def test_one_sees_which_tokens_have_ended(cli: Cli) -> None:
    made = make(cli, "-d", "ci", "-e", "60")
    assert "expired" not in cli.ok("authorizations") + rows(cli.ok("authorizations:info", made))["Expires at"]

    cli.api.authorizations[made]["access_token"]["expires_in"] = 0
    assert f"ci (expired)  {made}" in cli.ok("authorizations")
    assert rows(cli.ok("authorizations:info", made))["Expires at"] == "has expired"


def test_a_token_is_described_rotated_and_revoked(cli: Cli) -> None:
    made = make(cli)
    assert rows(cli.ok("authorizations:update", made, "-d", "ci of the shop"))["Description"] == "ci of the shop"
    assert TOKEN in cli.ok("authorizations:rotate", made)
    ended = cli("authorizations:destroy", made)
    assert (ended.code, ended.err) == (0, "Revoking OAuth Authorization... done, revoked authorization from ci of the shop\n")
    assert made not in cli.api.authorizations


def test_the_token_in_use(cli: Cli) -> None:
    assert cli.ok("auth:token") == TOKEN + "\n"
    assert json.loads(cli.ok("auth:token", "--json")) == {"server": cli.api.url, "token": TOKEN}
    del cli.environ["PUSHD_API_KEY"]
    assert "Not logged in" in cli("auth:token").err


def test_a_login_that_ends(cli: Cli) -> None:
    del cli.environ["PUSHD_API_KEY"]
    cli.ok("login", "--expires-in", "3600", stdin=TOKEN + "\n")
    body = cli.api.last("POST").body
    assert body["expires_in"] == 3600
    assert body["description"].startswith("pushd login from ")
    assert cli.ok("whoami") == "ada@example.com\n"
