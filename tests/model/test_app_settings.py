from __future__ import annotations

import pytest

from pushd.errors import InvalidParams, NotFound
from pushd.model.app_settings import APP_SETTINGS, AppSettings, check_setting


@pytest.mark.parametrize("setting", APP_SETTINGS, ids=lambda setting: setting.name)
def test_every_default_fits_its_own_rule_and_is_explained(setting: object) -> None:
    row = next(each for each in APP_SETTINGS if each is setting)

    check_setting(row.name, row.default)
    assert AppSettings()[row.name] == row.parse(row.default)
    assert row.help.endswith(".")


def test_names_are_alone() -> None:
    assert len({row.name for row in APP_SETTINGS}) == len(APP_SETTINGS)


def test_what_is_stored_wins_over_the_default() -> None:
    settings = AppSettings({"boot-timeout-seconds": "2.5"})

    assert settings["boot-timeout-seconds"] == 2.5
    assert settings["probe-path"] == "/"


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("deploy-branch", "release/2026"),
        ("deploy-branch", ""),
        ("force-push", "refuse"),
        ("ref-delete", "allow"),
        ("probe", "port"),
        ("probe-path", "/healthz?deep=1"),
        ("boot-timeout-seconds", "600"),
        ("stop-timeout-seconds", "0"),
        ("requests-per-dyno", "1"),
        ("log-limit-mb", "1"),
    ],
)
def test_good_values(name: str, good: str) -> None:
    check_setting(name, good)
    check_setting(name, None)


@pytest.mark.parametrize(
    ("name", "bad", "rule"),
    [
        ("deploy-branch", "a..b", "a branch name"),
        ("deploy-branch", "-x", "a branch name"),
        ("deploy-branch", "a b", "a branch name"),
        ("force-push", "maybe", "one of allow, refuse"),
        ("probe", "HTTP", "one of http, port"),
        ("probe-path", "healthz", "a path that starts with /"),
        ("probe-path", "/a b", "a path"),
        ("probe-path", "/a\r\nX: y", "a path"),
        ("boot-timeout-seconds", "0", "1 to 600 seconds"),
        ("boot-timeout-seconds", "nan", "1 to 600 seconds"),
        ("boot-timeout-seconds", "inf", "1 to 600 seconds"),
        ("boot-timeout-seconds", "soon", "a number"),
        ("boot-timeout-seconds", "", "a number"),
        ("requests-per-dyno", "0", "1 to 10000"),
        ("requests-per-dyno", "1.5", "a number"),
        ("pack-limit-mb", "-1", "1 to 1000000"),
        ("requests-per-dyno", "9" * 5000, "a number"),
    ],
)
def test_bad_values_are_refused_with_the_rule(name: str, bad: str, rule: str) -> None:
    with pytest.raises(InvalidParams, match=f"Cannot set {name} to .*it must be {rule}") as caught:
        check_setting(name, bad)

    assert "Default" in caught.value.remedy
    assert len(caught.value.text) < 300


def test_an_unknown_setting_is_told_with_those_there_are() -> None:
    with pytest.raises(NotFound, match="no setting called 'colour'") as caught:
        check_setting("colour", "red")
    assert "probe-path" in caught.value.remedy


@pytest.mark.parametrize("name", ["slugs_kept", "slugs-kept"])
def test_a_setting_of_the_server_is_said_to_be_one(name: str) -> None:
    with pytest.raises(NotFound, match="slugs_kept is a setting of the server") as caught:
        check_setting(name, "3")
    assert "--slugs-kept, PUSHD_SLUGS_KEPT" in caught.value.remedy
