"""Accounts of the server, for its admins."""

from __future__ import annotations

import json

from tests.cli.conftest import Cli
from tests.client.fake_api import INVITATION

BEN = "ben@example.com"


def test_a_user_is_added_and_invited(cli: Cli) -> None:
    ended = cli("users:add", BEN)

    assert ended.code == 0
    assert ended.out == f"Invitation:  {INVITATION}\nValid until: 2026/01/09 03:04:05 +0000, once\n"
    assert f"git pushd login --invitation {cli.api.url}\n" in ended.err
    assert "as they reach it, such as https://myserver:5000" in ended.err
    assert cli.api.last("POST").body == {"email": BEN, "admin": False}
    assert INVITATION not in cli.ok("users")
    assert INVITATION in cli.ok("users:invite", BEN)
    assert cli.api.last("POST").body == {"end_tokens": False}
    assert json.loads(cli.ok("users:invite", BEN, "--end-tokens", "--json"))["invitation"]["token"] == INVITATION
    assert cli.api.last("POST").body == {"end_tokens": True}


def test_users_are_listed(cli: Cli) -> None:
    cli.ok("users:add", BEN)
    cli.ok("users:add", "eve@example.com", "--admin")
    cli.api.users[BEN] |= {"has_password": True, "apps": 3, "invitation": None}

    assert [line.split() for line in cli.ok("users").splitlines()] == [
        ["Email", "Role", "Apps", "Password"],
        [BEN, "user", "3", "set"],
        ["eve@example.com", "admin", "0", "invited"],
    ]
    assert [row["email"] for row in json.loads(cli.ok("users", "--json"))] == [BEN, "eve@example.com"]


def test_an_admin_is_made_and_unmade(cli: Cli) -> None:
    cli.ok("users:add", BEN)
    assert json.loads(cli.ok("users:admin", BEN, "--json"))["role"] == "admin"
    assert cli("users:admin", BEN, "--off").err == f"Making {BEN} a plain user... done\n"
    assert cli.api.users[BEN]["role"] == "user"


def test_a_user_is_removed(cli: Cli) -> None:
    cli.ok("users:add", BEN)
    assert cli("users:remove", BEN, "--apps-to", "a&b@example.com").err == f"Removing {BEN}... done\n"
    assert cli.api.last("DELETE").query == {"apps_to": ["a&b@example.com"]}
    assert cli.api.users == {}
