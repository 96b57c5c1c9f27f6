"""Features, stacks, regions, add-ons, and what is not offered."""

from __future__ import annotations

import json

import pytest

from pushd.cli import commands
from pushd.cli.not_offered import NOT_OFFERED
from tests.cli.conftest import Cli


def test_features_and_labs(shop: Cli) -> None:
    assert shop.ok("features") == "=== App Features shop\n\n[+] runtime-dyno-metadata  What runtime-dyno-metadata does.\n"
    assert shop.ok("labs") == "=== App Features shop\n\n[ ] log-runtime-metrics  What log-runtime-metrics does.\n"
    assert [each["name"] for each in json.loads(shop.ok("labs", "--json"))] == ["log-runtime-metrics"]
    assert "Enabled:     true\n" in shop.ok("features:info", "runtime-dyno-metadata")


def test_a_feature_is_switched(shop: Cli) -> None:
    ended = shop("labs:enable", "log-runtime-metrics")
    assert ended.code == 0
    assert ended.err.startswith("Enabling log-runtime-metrics for shop... done\n")
    assert shop.api.features["log-runtime-metrics"] is True

    again = shop("features:enable", "log-runtime-metrics")
    assert (again.code, "log-runtime-metrics is already enabled." in again.err) == (1, True)
    assert json.loads(shop.ok("features:disable", "log-runtime-metrics", "--json"))["enabled"] is False
    assert "Couldn't find that feature." in shop("features:info", "none").err


def test_stacks(shop: Cli) -> None:
    assert shop.ok("stack") == "=== shop Available Stacks\n\n* heroku-24\n"
    ended = shop("stack:set", "heroku-24")
    assert (ended.code, ended.err) == (0, "Setting stack to heroku-24... done\n")
    assert shop.api.last("PATCH").body == {"build_stack": "heroku-24"}


def test_regions(cli: Cli) -> None:
    assert cli.ok("regions").split("\n")[1].split() == ["us", "This", "server", "Common", "Runtime"]
    assert json.loads(cli.ok("regions", "--private", "--json")) == []


def test_addons(shop: Cli) -> None:
    assert shop.ok("addons") == "No add-ons for app shop.\n"
    assert shop.ok("addons", "--all") == "No add-ons.\n"
    assert json.loads(shop.ok("addons", "--json")) == []


@pytest.mark.parametrize("name", [*NOT_OFFERED, "addons:create", "pg:backups:capture", "spaces:peerings:info"])
def test_what_is_not_offered_says_so(cli: Cli, name: str) -> None:
    if name in commands.COMMANDS:
        return  # only what begins with it is not offered
    ended = cli(name, "--some", "option")
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (1, "", 2)


def test_what_begins_like_it_is_still_unknown(cli: Cli) -> None:
    ended = cli("pgadmin")
    assert (ended.code, "is not a pushd command" in ended.err) == (2, True)
