"""The daemon's settings: where each value comes from, and what is refused."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from pushd.settings import SETTINGS, Settings, SettingsError, build_passthrough, default_data_dir, load

HOME = {"HOME": "/home/ada"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "pushd.toml"


def test_the_table_and_the_class_are_one(config: Path) -> None:
    config.write_text("")
    effective = load({}, environ=HOME, config=config)

    assert [setting.name for setting in SETTINGS] == [field.name for field in fields(Settings)]
    assert effective.settings.data_dir == Path("/home/ada/.local/share/pushd")
    assert effective.settings.build_timeout_seconds == 3600.0
    assert set(effective.origins.values()) == {"default"}
    assert all(setting.help.endswith(".") for setting in SETTINGS)


def test_the_later_source_wins_and_is_named(config: Path) -> None:
    config.write_text('domain = "file.example"\nslugs_kept = 3\nbuilds_kept = 4\n')
    environ = {**HOME, "PUSHD_SLUGS_KEPT": "5", "PUSHD_BUILDS_KEPT": "6"}

    effective = load({"builds_kept": "7", "log_level": None}, environ=environ, config=config)

    assert (effective.settings.domain, effective.origins["domain"]) == ("file.example", str(config))
    assert (effective.settings.slugs_kept, effective.origins["slugs_kept"]) == (5, "PUSHD_SLUGS_KEPT")
    assert (effective.settings.builds_kept, effective.origins["builds_kept"]) == (7, "flag")
    assert (effective.settings.log_level, effective.origins["log_level"]) == ("info", "default")


@pytest.mark.parametrize(
    ("name", "bad", "rule"),
    [
        ("data_dir", "a\0b", "a path"),
        ("api_names", "two words", "host names or addresses"),
        ("api_clear_text", "sometimes", "one of here, everywhere"),
        ("api_listen", "5000", "host:port or unix:/path"),
        ("api_listen", "127.0.0.1:99999", "host:port or unix:/path"),
        ("api_listen", "unix:relative", "host:port or unix:/path"),
        ("router_listen", ":8080", "host:port or unix:/path"),
        ("ssh_listen", "unix:/run/ssh.sock", "it must be host:port"),
        ("domain", "", "a host name"),
        ("domain", "example.com:80", "a host name"),
        ("domain", "two words.example", "a host name"),
        ("domain", "-a.example", "a host name"),
        ("domain", "http://example.org", "a host name"),
        ("domain", "a." * 150 + "example", "a host name"),
        ("default_app", "Shop!", "the name of an app"),
        ("hook_group", "no-such-group", "a group of this machine"),
        ("git_program", "x", "one of auto, never"),
        ("sandbox", "maybe", "one of auto, off"),
        ("log_level", "foo", "one of debug, info, warning, error"),
        ("crash_at", "nowhere", "the name of a crash point"),
        ("slugs_kept", "-3", "1 to 1000000"),
        ("slugs_kept", "many", "a number"),
        ("builds_kept", "0", "1 to 1000000"),
        ("body_limit_bytes", "-1", "0 to"),
        ("git_index_above_bytes", "1.5", "a number"),
        ("disk_reserve_bytes", "", "a number"),
        ("build_timeout_seconds", "-1", "0.1 to .* seconds"),
        ("build_keepalive_seconds", "0", "0.1 to .* seconds"),
        ("release_phase_timeout_seconds", "nan", "0.1 to .* seconds"),
        ("run_timeout_seconds", "inf", "0.1 to .* seconds"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_rule(config: Path, name: str, bad: str, rule: str) -> None:
    config.write_text("")

    with pytest.raises(SettingsError, match=rf"cannot use {name} = .*\(from flag\): .*{rule}") as caught:
        load({name: bad}, environ=HOME, config=config)
    assert caught.value.remedy


def test_a_number_is_asked_for_in_words() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"slugs_kept": "many"}, environ=HOME)
    assert caught.value.remedy == "Give a number, for example 10."


@pytest.mark.parametrize("text", ["c2VjcmV0LWtleS1pbi1wbGFpbi10ZXh0", "file:relative", "env:no name", "fd:x", "vault:a"])
def test_what_may_be_the_key_itself_is_not_repeated(config: Path, text: str) -> None:
    config.write_text("")

    with pytest.raises(SettingsError, match="file:/PATH, env:NAME or fd:NUMBER") as caught:
        load({"secret_key_from": text}, environ=HOME, config=config)
    assert text not in caught.value.text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('colour = "red"\n', "no setting called colour"),
        ('slugs_kept = "many"\n', "must be a number"),
        ("slugs_kept = \n", "cannot read"),
        ("\xff", "cannot read"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(config: Path, text: str, told: str) -> None:
    config.write_text(text, encoding="latin-1")

    with pytest.raises(SettingsError, match=told) as caught:
        load({}, environ=HOME, config=config)
    assert caught.value.remedy


def test_a_config_file_that_was_named_must_be_there(config: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        load({}, environ=HOME, config=config)


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        (HOME, "/home/ada/.local/share/pushd"),
        ({**HOME, "XDG_DATA_HOME": "/data"}, "/data/pushd"),
        ({}, "/root/.local/share/pushd"),
    ],
)
def test_where_data_lies_when_nobody_says(environ: dict[str, str], folder: str) -> None:
    assert default_data_dir(environ) == Path(folder)


def test_builds_see_certificates_proxies_and_index_settings_only() -> None:
    seen = {"SSL_CERT_FILE": "/ca", "https_proxy": "http://p", "PIP_INDEX_URL": "http://i", "UV_INDEX": "x", "LANG": "C"}

    assert build_passthrough({**seen, **HOME, "AWS_SECRET_ACCESS_KEY": "s", "PUSHD_API_KEY": "t", "PATH": "/bin"}) == seen
