"""`serve` hands settings to the daemon."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from pushd import settings
from pushd.settings import Effective
from tests.cli.conftest import Cli


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Effective]]:
    """What the daemon was started with; it is not started."""
    calls: list[tuple[str, Effective]] = []

    def called(what: str, code: int) -> object:
        def stand_in(effective: Effective, *, environ: Mapping[str, str], as_json: bool = False) -> int:
            calls.append((what, effective))
            return code

        return stand_in

    stand_in = SimpleNamespace(serve=called("serve", 0), check=called("check", 3))
    monkeypatch.setitem(__import__("sys").modules, "pushd.daemon", stand_in)
    monkeypatch.setattr("pushd.daemon", stand_in, raising=False)
    return calls


def test_flags_variables_and_file(cli: Cli, given: list[tuple[str, Effective]], tmp_path: Path) -> None:
    file = tmp_path / "pushd.toml"
    file.write_text('domain = "from.file"\nslugs_kept = 3\nlog_level = "debug"\n')
    ended = cli(
        "serve", "--data-dir", str(tmp_path / "d"), "--api-listen", "127.0.0.1:0", "--router-listen", "127.0.0.1:0",
        "--ssh-listen", "127.0.0.1:0", "--domain", "from.flag", "--default-app", "shop", "--config", str(file),
        PUSHD_SLUGS_KEPT="4",
    )  # fmt: skip

    assert ended.code == 0
    [(what, effective)] = given
    chosen = effective.settings
    assert what == "serve"
    assert (chosen.domain, chosen.slugs_kept, chosen.log_level) == ("from.flag", 4, "debug")
    assert (chosen.data_dir, chosen.default_app) == (tmp_path / "d", "shop")
    assert effective.origins["domain"] == "flag"
    assert effective.origins["slugs_kept"] == "PUSHD_SLUGS_KEPT"


def test_check_gives_its_exit_code(cli: Cli, given: list[tuple[str, Effective]]) -> None:
    assert cli("serve", "--check").code == 3
    assert given[0][0] == "check"
    assert cli("serve", "--check", "--json").code == 3
    assert cli("serve", "--json").code == 2


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--config", "/no/such/file.toml"], "no such file"),
        (["--slugs-kept", "many"], "must be a number"),
        (["--api-listen", "5000"], "host:port or unix:/path"),
        (["--log-level", "foo"], "debug, info, warning, error"),
        (["--bogus", "1"], "--bogus"),
    ],
)
def test_settings_that_cannot_be_used_end_with_2(
    cli: Cli, given: list[tuple[str, Effective]], args: list[str], says: str
) -> None:
    ended = cli("serve", *args)
    assert ended.code == 2
    assert says in ended.err
    assert given == []


def test_each_setting_has_its_flag(cli: Cli) -> None:
    printed = cli.ok("serve", "--help")
    for setting in settings.SETTINGS:
        assert setting.flag in printed
        assert setting.variable in printed.replace("\n", "").replace(" ", "")


def test_a_mistake_of_the_daemon_is_in_its_log(
    cli: Cli, given: list[tuple[str, Effective]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(effective: Effective, *, environ: Mapping[str, str]) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(__import__("sys").modules["pushd.daemon"], "serve", broken)
    assert cli("serve").code == 1
    assert "ZeroDivisionError" in caplog.text
