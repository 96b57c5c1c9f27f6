"""Every command exists under its names, has help with an example, and its help is as it was agreed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click
import pytest

from pushd.cli import commands
from pushd.cli.main import load
from tests.cli.conftest import Cli

GOLDEN = Path(__file__).parents[1] / "golden" / "help"

# The names that scripts outside this repository rely on.
PROMISED = """
apps apps:create apps:info apps:destroy apps:rename apps:open git:remote git:clone git:credentials
config config:get config:set config:unset config:edit logs ps ps:scale ps:type ps:stop ps:wait ps:restart
releases releases:info releases:output releases:rollback run run:inside run:detached maintenance maintenance:on maintenance:off
builds builds:info builds:output builds:create builds:cancel releases:retry
buildpacks buildpacks:add buildpacks:set buildpacks:remove buildpacks:clear
settings settings:set settings:unset resources resources:set resources:unset
df audit secret-key:rotate serve install-service uninstall-service demo drill shell-init
version help heroku-env
auth:login auth:logout auth:whoami auth:token
auth:password authorizations authorizations:create authorizations:info authorizations:update
authorizations:rotate authorizations:revoke features features:info features:enable features:disable labs apps:stacks
apps:stacks:set regions addons
domains domains:add domains:info domains:update domains:wait domains:remove domains:clear
certs certs:add certs:info certs:update certs:remove certs:generate
certs:auto certs:auto:enable certs:auto:disable certs:auto:refresh
access access:add access:remove users users:add users:invite users:admin users:remove
keys keys:add keys:remove keys:clear drains drains:add drains:remove
pipelines pipelines:create pipelines:add pipelines:remove pipelines:update pipelines:info pipelines:rename
pipelines:destroy pipelines:promote
webhooks webhooks:add webhooks:info webhooks:update webhooks:remove webhooks:deliveries webhooks:deliveries:info
webhooks:events webhooks:events:info
"""
PROMISED_ALIASES = {
    "create": "apps:create", "info": "apps:info", "destroy": "apps:destroy", "rename": "apps:rename", "open": "apps:open",
    "login": "auth:login", "logout": "auth:logout", "whoami": "auth:whoami", "authorizations:destroy": "authorizations:revoke",
    "labs:info": "features:info", "labs:enable": "features:enable", "labs:disable": "features:disable",
    "stack": "apps:stacks", "stack:set": "apps:stacks:set",
    "list": "apps", "apps:list": "apps", "apps:delete": "apps:destroy", "config:add": "config:set",
    "config:remove": "config:unset", "scale": "ps:scale", "dyno:scale": "ps:scale", "resize": "ps:type",
    "ps:resize": "ps:type", "dyno:type": "ps:type", "dyno:resize": "ps:type", "restart": "ps:restart",
    "dyno:restart": "ps:restart", "stop": "ps:stop", "kill": "ps:stop", "ps:kill": "ps:stop", "dyno:stop": "ps:stop",
    "dyno:kill": "ps:stop", "rollback": "releases:rollback",
}  # fmt: skip
ABOUT_ONE_APP = [
    "apps:info", "apps:destroy", "apps:rename", "apps:open", "config", "config:get", "config:set", "config:unset",
    "config:edit", "logs", "ps", "ps:scale", "ps:type", "ps:stop", "ps:wait", "ps:restart", "releases", "releases:info",
    "releases:output", "releases:rollback", "run", "run:inside", "run:detached", "maintenance", "maintenance:on",
    "domains", "domains:add", "domains:info", "domains:update", "domains:wait", "domains:remove", "domains:clear", "certs",
    "certs:add", "certs:info", "certs:update", "certs:remove", "certs:generate", "certs:auto", "certs:auto:enable",
    "certs:auto:disable", "certs:auto:refresh", "access", "access:add", "access:remove", "drains", "drains:add",
    "drains:remove",
    "maintenance:off", "builds", "builds:info", "builds:output", "builds:create", "builds:cancel",
    "releases:retry", "buildpacks", "buildpacks:add", "buildpacks:set", "buildpacks:remove", "buildpacks:clear",
    "settings", "settings:set", "settings:unset", "resources", "resources:set", "resources:unset",
    "pipelines:create", "pipelines:add", "pipelines:remove", "pipelines:update", "pipelines:promote",
    "webhooks", "webhooks:add", "webhooks:info", "webhooks:update", "webhooks:remove",
    "webhooks:deliveries", "webhooks:deliveries:info", "webhooks:events", "webhooks:events:info",
]  # fmt: skip
WITHOUT_JSON = {
    "config:edit": "opens an editor and shows no more than that it is done",
    "auth:password": "its exit code says all",
    "ps:restart": "its exit code says all",
    "ps:stop": "its exit code says all",
    "ps:wait": "its exit code says all",
    "domains:wait": "its exit code says all",
    "git:clone": "git tells what it does",
    "run": "shows what the command prints",
    "run:inside": "shows what the command prints",
    "install-service": "its exit code says all",
    "uninstall-service": "its exit code says all",
    "secret-key:rotate": "its exit code says all",
    "demo": "stays, and is there to be watched",
    "drill": "its exit code says all, its lines are for people",
    "shell-init": "prints a script for a shell",
    "git:credentials": "speaks git's own protocol",
    "help": "prose",
}
WAITS = [
    "config:set",
    "config:unset",
    "config:edit",
    "releases:rollback",
    "releases:retry",
    "ps:scale",
    "ps:type",
    "resources:set",
    "resources:unset",
    "ps:restart",
    "ps:stop",
]


def options_of(name: str) -> set[str]:
    found = commands.maybe_command(name)
    assert found
    return {flag for parameter in load(found[1]).params if isinstance(parameter, click.Option) for flag in parameter.opts}


def test_the_table_has_what_was_promised_and_nothing_else() -> None:
    assert sorted(commands.COMMANDS) == sorted(PROMISED.split())
    assert dict(commands.ALIASES) == PROMISED_ALIASES


@pytest.mark.parametrize("name", commands.names())
def test_each_name_leads_to_a_command_that_knows_its_long_name(name: str) -> None:
    found = commands.maybe_command(name)
    assert found
    assert load(found[1]).name == found[0] == commands.ALIASES.get(name, name)


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_help_is_as_agreed(cli: Cli, name: str) -> None:
    """Golden; PUSHD_WRITE_GOLDEN=1 writes the files anew."""
    printed = cli.ok(name, "--help")
    file = GOLDEN / f"{name.replace(':', '_')}.txt"
    if os.environ.get("PUSHD_WRITE_GOLDEN"):
        file.write_text(printed)

    assert printed == file.read_text()
    assert "Example" in printed
    assert cli.ok("help", name) == printed


def test_no_golden_help_is_left_of_a_command_that_is_gone() -> None:
    assert {file.stem for file in GOLDEN.glob("*.txt")} == {name.replace(":", "_") for name in commands.COMMANDS} | {"pushd"}


def test_the_help_of_all(cli: Cli) -> None:
    printed = cli.ok("--help")
    file = GOLDEN / "pushd.txt"
    if os.environ.get("PUSHD_WRITE_GOLDEN"):
        file.write_text(printed)

    assert printed == file.read_text()
    assert cli.ok() == cli.ok("help") == cli.ok("-h") == printed
    assert not re.search(r"^ *hook\b", printed, re.MULTILINE)


@pytest.mark.parametrize("name", ABOUT_ONE_APP)
def test_commands_about_one_app_take_it_as_heroku_does(name: str) -> None:
    assert {"-a", "--app", "-r", "--remote", "--host"} <= options_of(name)


def test_what_shows_something_has_json() -> None:
    assert {name for name in commands.COMMANDS if "--json" not in options_of(name)} == set(WITHOUT_JSON)


def test_what_waits_for_dynos_and_nothing_else_can_be_told_not_to() -> None:
    assert {name for name in commands.COMMANDS if "--no-wait" in options_of(name)} == set(WAITS)


def test_fixed_short_options() -> None:
    assert {"-n", "--no-remote"} <= options_of("create")
    assert "--confirm" in options_of("destroy")
    assert {"-n", "-t", "-p", "-s", "-d"} <= options_of("logs")
    assert "-s" in options_of("config")
    assert "-e" in options_of("run:detached")
