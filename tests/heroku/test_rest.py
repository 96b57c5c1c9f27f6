"""Commands that have no topic of their own here, or nothing to show: each once."""

from __future__ import annotations

import pytest

from tests.heroku.harness import Heroku

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE6hwT2sAyHbGVO3b6r7fDqWc0hEOqYzPv0DUNlzoXqk ada@laptop"

EMPTY = [
    ("addons:services", "Slug"),
    ("addons:wait -a APP", ""),
    ("2fa", "not enabled"),
    ("orgs", "Teams"),
    ("pg -a APP", "no heroku-postgresql databases"),
    ("pg:wait -a APP", ""),
    ("redis -a APP", ""),
    ("buildpacks:search", "No buildpacks found"),
]
REFUSED = [
    ("apps:leave -a APP", "an owner cannot be removed"),
    ("buildpacks:info nobody/nothing", "Could not find the buildpack"),
    ("buildpacks:versions nobody/nothing", "Could not find"),
    ("certs:auto:refresh -a APP", "does not issue certificates by itself yet"),
    ("clients:info x", "Couldn't find that OAuth client."),
    ("sessions:destroy x", "Tokens have no sessions here."),
    ("spaces", "You do not have access to any spaces."),
    ("data:pg:levels", "There are no databases of this server's own yet."),
    ("redis:cli -a APP --confirm APP", "No Redis instances found."),
    ("container:release web -a APP", ""),
]


def words_of(command: str, app: str) -> list[str]:
    return command.replace("APP", app).split()


@pytest.mark.parametrize(("command", "told"), EMPTY, ids=[command for command, _ in EMPTY])
def test_what_there_is_none_of(heroku: Heroku, app: str, command: str, told: str) -> None:
    assert told in heroku(*words_of(command, app))


@pytest.mark.parametrize(("command", "told"), REFUSED, ids=[command for command, _ in REFUSED])
def test_what_is_refused(heroku: Heroku, app: str, command: str, told: str) -> None:
    result = heroku.fails(*words_of(command, app))

    assert told in " ".join(line.strip(" ›") for line in result.stderr.splitlines())


def test_all_keys_at_once(heroku: Heroku) -> None:
    heroku.call("/account/keys", "POST", {"public_key": KEY})

    heroku("keys:clear")

    assert heroku.call("/account/keys") == []


def test_automatic_certificates_can_be_switched_off_though_they_are(heroku: Heroku, app: str) -> None:
    heroku("certs:auto:disable", "-a", app, "--confirm", app)

    assert heroku.call(f"/apps/{app}")["acm"] is False
