"""Remotes, and the credential helper's side of git's protocol."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pushd.client.gitconfig import HELPER
from tests.cli.conftest import Cli
from tests.client.fake_api import TOKEN, FakeApi
from tests.client.folders import data_folder


def test_remote_is_made_and_changed(shop: Cli) -> None:
    shop.repository()
    shop.git("remote", "add", "pushd", "https://github.com/ada/old.git")

    assert shop.ok("git:remote", "-a", "shop") == f"set git remote pushd to {shop.api.url}/shop.git\n"
    assert shop.git("remote", "get-url", "pushd") == f"{shop.api.url}/shop.git"
    url = f"{shop.api.url}/shop.git"
    asked = shop.ok("git:remote", "-a", "shop", "-r", "myserver", "--json")
    assert json.loads(asked) == {"remote": "myserver", "app": "shop", "url": url}
    assert shop.git("config", "remote.myserver.pushd") == shop.api.url


def test_the_app_may_be_an_argument(shop: Cli) -> None:
    shop.repository()
    shop.api.add_app("blog")
    assert shop.ok("git:remote", "blog") == f"set git remote pushd to {shop.api.url}/blog.git\n"


def test_clone_leaves_the_rest_to_git(shop: Cli) -> None:
    """git writes the settings before it asks the server, which has no repositories here."""
    program = shop.home / "bin" / "git"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$HOME/asked"\nexit 128\n')
    program.chmod(0o755)
    ended = shop("git:clone", "-a", "shop", "-r", "myserver", "there", PATH=f"{program.parent}:{shop.environ['PATH']}")
    url = shop.api.url

    assert ended.code == 128
    assert (shop.home / "asked").read_text().splitlines() == [
        "clone", "--origin", "myserver", "--config", f"remote.myserver.pushd={url}", "--config", f"credential.{url}.helper=",
        "--config", f"credential.{url}.helper={HELPER}", "--", f"{url}/shop.git", "there",
    ]  # fmt: skip


def test_remote_of_an_unknown_app_changes_nothing(shop: Cli) -> None:
    shop.repository()
    assert shop("git:remote", "-a", "nobody").code == 1
    assert shop.git("remote") == ""


def test_remote_outside_of_a_repository(shop: Cli) -> None:
    ended = shop("git:remote", "-a", "shop")
    assert ended.code == 1
    assert "git init" in ended.err


def ask(api: FakeApi, **more: str) -> str:
    """What git writes to a helper."""
    scheme, _, host = api.url.partition("://")
    return "".join(f"{key}={value}\n" for key, value in ({"protocol": scheme, "host": host} | more).items())


def test_credentials_of_our_host(cli: Cli) -> None:
    assert cli.ok("git:credentials", "get", stdin=ask(cli.api)) == f"username=pushd\npassword={TOKEN}\n"
    assert cli.ok("git:credentials", "get", stdin=ask(cli.api, username="ada")).startswith("username=ada\n")
    assert cli.ok("git:credentials", "get", stdin=ask(cli.api, path="shop.git", capability="x") + "wwwauth[]=Basic\n")


@pytest.mark.parametrize(
    "asked",
    [
        {"host": "github.com"},
        {"host": "127.0.0.1:1"},
        {"protocol": "https"},
        {"protocol": "cert", "host": ""},
        {"host": "evil\rhost"},
    ],
)
def test_other_hosts_get_nothing(cli: Cli, asked: dict[str, str]) -> None:
    ended = cli("git:credentials", "get", stdin=ask(cli.api, **asked))
    assert (ended.code, ended.out, ended.err) == (0, "", "")


@pytest.mark.parametrize("action", ["store", "erase"])
def test_store_and_erase_are_silent(cli: Cli, action: str) -> None:
    ended = cli("git:credentials", action, stdin=ask(cli.api, username="ada", password="p"))
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert not (cli.home / ".netrc").exists()


def test_without_a_token_git_asks_by_itself(cli: Cli) -> None:
    ended = cli("git:credentials", "get", stdin=ask(cli.api), PUSHD_API_KEY="")
    assert (ended.code, ended.out) == (0, "")
    assert f"pushd login --host {cli.api.url}" in ended.err


def test_the_real_git_gets_the_token_of_a_marked_remote(api: FakeApi, shop: Cli) -> None:
    """No environment names the server: the remote's mark and the data folder's admin.token do."""
    shop.repository()
    shop.ok("git:remote", "-a", "shop")
    data = data_folder(shop.home / "data", api.url, "operators-token")
    environ = {name: value for name, value in shop.environ.items() if not name.startswith("PUSHD_")}
    environ |= {"PUSHD_DATA_DIR": str(data), "PATH": f"{Path(sys.executable).parent}:{environ['PATH']}"}
    filled = subprocess.run(
        ["git", "credential", "fill"], cwd=shop.folder, env=environ, input=ask(api) + "\n", capture_output=True, text=True,
        check=True,
    )  # fmt: skip

    assert "password=operators-token\n" in filled.stdout
