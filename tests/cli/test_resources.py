"""Limits of process types and builds."""

from __future__ import annotations

import json

import pytest

from pushd.client.client import Client
from tests.cli.conftest import Cli

SHOWN = """=== shop Resources

TYPE   SIZE         MEMORY  CPU   PROCESSES  OPEN FILES  TIME          SLUG
web    Standard-1X  512M    0.5   4096       65536
build               4096M   any*  2048       65536       the server's  1024M
"""


def test_they_are_shown_and_what_was_set_has_a_star(shop: Cli) -> None:
    shop.ok("resources:set", "build", "cpu=2")

    assert shop.ok("resources") == SHOWN
    assert json.loads(shop.ok("resources", "--json"))[1]["set"] == ["cpu"]


def test_they_are_set_and_unset_and_dynos_followed(shop: Cli) -> None:
    shop.api.changes = [{"id": "c1", "state": "succeeded", "release": 1, "reason": None}]
    ended = shop("resources:set", "web", "memory=1G", "cpu=0.5")

    assert ended.err == "Setting memory, cpu of web of shop... done\n"
    assert shop.api.last("PATCH").path == "/-/apps/shop/resources/web"
    assert shop.api.last("PATCH").body == {"memory": "1G", "cpu": "0.5"}
    assert shop.api.paths()[-2:] == ["GET /-/changes/c1", "GET /-/apps/shop/protections"]
    shop.ok("resources:unset", "web", "memory")
    assert shop.api.last("PATCH").body == {"memory": None}
    assert shop("resources:set", "web", "memory").code == shop("resources:set", "web").code == 2


def test_a_limit_that_this_server_cannot_hold_is_pointed_out(shop: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    off = [{"name": "processor limit", "on": False, "why": "there are no control groups"}]
    monkeypatch.setattr(Client, "protections", lambda client, app: off)

    told = "cpu is kept, and nothing holds it on this server: there are no control groups"
    assert told in shop("resources:set", "web", "memory=1G", "cpu=0.5").err
    assert "nothing holds it" not in shop("resources:set", "web", "memory=1G", "processes=100").err
