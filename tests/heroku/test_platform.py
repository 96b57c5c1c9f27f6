"""Features, stacks, regions, and one clean sentence for what this server does not offer."""

from __future__ import annotations

import pytest

from tests.heroku.harness import Heroku

NO_ADD_ONS = "There are no add-ons on this server yet."
NO_DATABASE = "There are no databases of this server's own yet."
NO_SPACES = "There are no private spaces on this server"
NO_TEAM = "That app belongs to no team."


def test_features(heroku: Heroku, app: str) -> None:
    assert "[+] runtime-dyno-metadata" in heroku("features", "-a", app)
    assert "Enabled:     true" in heroku("features:info", "runtime-dyno-metadata", "-a", app)
    heroku("features:disable", "runtime-dyno-metadata", "-a", app)
    assert heroku.call(f"/apps/{app}/features/runtime-dyno-metadata")["enabled"] is False
    assert "already disabled" in heroku.fails("features:disable", "runtime-dyno-metadata", "-a", app).stderr
    heroku("features:enable", "runtime-dyno-metadata", "-a", app)
    assert heroku.json("features", "-a", app)[0]["enabled"] is True


def test_labs(heroku: Heroku, app: str) -> None:
    assert "[ ] log-runtime-metrics" in heroku("labs", "-a", app)
    heroku("labs:enable", "log-runtime-metrics", "-a", app)
    assert "Enabled:     true" in heroku("labs:info", "log-runtime-metrics", "-a", app)
    heroku("labs:disable", "log-runtime-metrics", "-a", app)
    assert heroku.call(f"/apps/{app}/features/log-runtime-metrics")["enabled"] is False
    assert "Couldn't find that feature." in heroku.fails("labs:enable", "none", "-a", app).stderr


def test_stacks_and_regions(heroku: Heroku, app: str) -> None:
    assert "* heroku-24" in heroku("apps:stacks", "-a", app)
    heroku("apps:stacks:set", "heroku-24", "-a", app)
    assert "There is no stack 'heroku-20' here." in heroku.fails("stack:set", "heroku-20", "-a", app).stderr
    assert [each["name"] for each in heroku.json("regions")] == ["us"]


def test_what_there_is_none_of_is_listed_as_such(heroku: Heroku, app: str) -> None:
    assert heroku("addons", "-a", app) == f"No add-ons for app {app}.\n"
    assert heroku("addons", "--all") == "No add-ons.\n"
    assert heroku.json("teams") == []
    assert "no heroku-postgresql databases" in heroku("pg:info", "-a", app)
    assert "no telemetry drains" in heroku("telemetry", "-a", app)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("addons:create heroku-postgresql -a APP", NO_ADD_ONS),
        ("addons:destroy x -a APP --confirm APP", NO_ADD_ONS),
        ("addons:info x -a APP", NO_ADD_ONS),
        ("addons:plans heroku-postgresql", NO_ADD_ONS),
        ("pg:backups -a APP", NO_DATABASE),
        ("spaces:create x -t y", NO_SPACES),
        ("members -t x", "There are no teams on this server."),
        ("create -t x", "There are neither teams nor private spaces on this server."),
        ("apps:transfer x@example.com -a APP", "Apps cannot be given to another user on this server."),
        ("apps:lock -a APP", NO_TEAM),
        ("apps:join -a APP", NO_TEAM),
        ("telemetry:add https://example.com -a APP", "There are no telemetry drains on this server."),
        ("usage:addons -a APP", "This server bills nobody."),
        ("ps:exec -a APP", "Couldn't find that feature."),
    ],
)
def test_what_is_not_offered_is_refused_in_a_sentence(heroku: Heroku, app: str, command: str, told: str) -> None:
    result = heroku.fails(*command.replace("APP", app).split())

    assert result.exit_code == 2
    assert f"Error: {told}" in " ".join(line.strip(" ›") for line in result.stderr.splitlines())
    assert "Error ID: " in result.stderr


@pytest.mark.parametrize("command", ["ci", "ci:config", "ci:last"])
def test_a_pipeline_has_no_ci(heroku: Heroku, app: str, command: str) -> None:
    heroku("pipelines:create", f"p-{app}", "-a", app, "-s", "staging")

    result = heroku.fails(command, "-p", f"p-{app}")

    assert (result.exit_code, "There is no CI on this server." in result.stderr) == (2, True)
