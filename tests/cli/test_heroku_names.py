"""Our commands beside those of the Heroku CLI 11: the same names, short names, options and letters, or a reason why not.

`heroku_cli_11.json` holds facts of heroku 11.10.0: for each command of the topics that we have its aliases and its options.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from pushd.cli import commands
from pushd.cli.main import load

FACTS = json.loads((Path(__file__).parent / "heroku_cli_11.json").read_text())
BOTH = sorted(set(FACTS) & set(commands.COMMANDS))
OPTIONS_WE_LACK = {
    ("apps", "--space"): "no spaces here",
    ("apps", "--team"): "no teams here",
    ("apps:create", "--space"): "no spaces here",
    ("apps:create", "--team"): "no teams here",
    ("apps:create", "--addons"): "no add-ons here yet",
    ("addons", "--no-wrap"): "a list that is empty as yet",
    ("access:add", "--permissions"): "permissions are those of teams; a collaborator has all",
    ("certs:auto", "--wait"): "no certificates are issued here yet",
    ("certs:auto:enable", "--wait"): "no certificates are issued here yet",
    ("pipelines:create", "--team"): "no teams here",
    ("domains", "--no-wrap"): "a table in a pipe is never wrapped",
    ("auth:login", "--browser"): "one logs in with a token or a password",
    ("authorizations:update", "--client-id"): "no OAuth clients here",
    ("authorizations:update", "--client-secret"): "no OAuth clients here",
}
ONE_HERE = {  # two commands of Heroku's that are one of ours
    "labs:info": "features:info",
    "labs:enable": "features:enable",
    "labs:disable": "features:disable",
}
OURS = {  # command -> why Heroku has none of that name
    "builds": "a plugin of Heroku's",
    "builds:info": "a plugin of Heroku's",
    "builds:output": "a plugin of Heroku's",
    "builds:create": "a plugin of Heroku's",
    "builds:cancel": "a plugin of Heroku's",
    "settings": "how this server treats an app",
    "settings:set": "how this server treats an app",
    "settings:unset": "how this server treats an app",
    "resources": "Heroku has sizes alone",
    "resources:set": "Heroku has sizes alone",
    "resources:unset": "Heroku has sizes alone",
    "users": "who shares this server",
    "users:add": "who shares this server",
    "users:invite": "who shares this server",
    "users:admin": "who shares this server",
    "users:remove": "who shares this server",
    "auth:password": "Heroku's is set on its web site",
    "audit": "Heroku shows it on its site alone",
    "df": "the disk is the operator's own here",
    "secret-key:rotate": "the daemon",
    "serve": "the daemon",
    "install-service": "the daemon",
    "uninstall-service": "the daemon",
    "demo": "the daemon",
    "drill": "the daemon",
    "shell-init": "the shell's own pushd",
    "heroku-env": "points the Heroku CLI here",
    "version": "an option of every program",
    "help": "an option of every program",
}


def options_of(name: str) -> list[set[str]]:
    """Each option of a command of ours, with all the ways to write it; both sides of an on/off pair."""
    found = commands.maybe_command(name)
    assert found
    return [{*each.opts, *each.secondary_opts} for each in load(found[1]).params if isinstance(each, click.Option)]


@pytest.mark.parametrize("name", BOTH)
def test_what_heroku_users_type_means_the_same(name: str) -> None:
    ours = options_of(name)
    for theirs in (set(words.split()) for words in FACTS[name]["options"]):
        if any((name, word) in OPTIONS_WE_LACK for word in theirs):
            continue
        assert any(theirs <= each for each in ours), f"{name} has no {' '.join(sorted(theirs))}"
    lead_here = {short for short, of in commands.ALIASES.items() if of == name}
    assert set(FACTS[name]["aliases"]) <= lead_here


def test_no_name_of_ours_means_another_command_of_herokus() -> None:
    """One that we lack may be short for one that we have, if Heroku says so too."""
    theirs = {short: name for name, fact in FACTS.items() for short in fact["aliases"]}
    for short, name in commands.ALIASES.items():
        meant = ONE_HERE.get(short, short) if short in FACTS else theirs.get(short, name)
        assert meant == name


def test_each_command_is_herokus_or_has_its_reason() -> None:
    theirs = {short for fact in FACTS.values() for short in fact["aliases"]} | set(FACTS)
    assert set(commands.COMMANDS) - theirs == set(OURS)


def test_no_exception_has_outlived_its_need() -> None:
    for name, option in OPTIONS_WE_LACK:
        assert any(option in words.split() for words in FACTS[name]["options"])
        assert not any(option in each for each in options_of(name))
