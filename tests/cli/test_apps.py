"""Apps and their git remotes."""

from __future__ import annotations

import json
import re

import pytest

from pushd.client.gitconfig import HELPER
from tests.cli.conftest import Cli
from tests.client.fake_api import FakeApi


def test_create_makes_a_marked_remote(api: FakeApi, cli: Cli) -> None:
    cli.repository()
    ended = cli("create", "shop", "--remote", "myserver")

    assert ended.code == 0
    assert ended.out == f"http://shop.localhost:8080/ | {api.url}/shop.git\n"
    assert ended.err.startswith("Creating app... done, shop\n")
    assert cli.git("remote", "get-url", "myserver") == f"{api.url}/shop.git"
    assert cli.git("config", "remote.myserver.pushd") == api.url
    assert cli.git("config", f"credential.{api.url}.helper") == HELPER


def test_create_without_names(api: FakeApi, cli: Cli) -> None:
    cli.repository()
    assert "brisk-fjord-48213" in cli.ok("apps:create")
    assert cli.git("remote") == "pushd"
    assert api.last("POST").body == {}


@pytest.mark.parametrize(("branch", "deploys"), [("main", "main"), ("master", "master"), ("feature", "master")])
def test_create_tells_what_to_push(cli: Cli, branch: str, deploys: str) -> None:
    cli.repository()
    cli.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")

    assert f"To deploy: git push pushd {deploys}\n" in cli("create", "shop").err


@pytest.mark.parametrize("flag", ["-n", "--no-remote"])
def test_create_without_a_remote(cli: Cli, flag: str) -> None:
    cli.repository()
    cli.ok("create", "shop", flag)
    assert cli.git("remote") == ""


def test_create_outside_of_a_repository(cli: Cli) -> None:
    assert "shop.git" in cli.ok("create", "shop")


def test_create_leaves_a_remote_that_leads_elsewhere(cli: Cli) -> None:
    cli.repository()
    cli.git("remote", "add", "pushd", "https://github.com/ada/shop.git")
    ended = cli("create", "shop")

    assert ended.code == 0
    assert "left as it is" in ended.err or "left as it was" in ended.err
    assert "git:remote --app shop" in ended.err
    assert cli.git("remote", "get-url", "pushd") == "https://github.com/ada/shop.git"


def test_create_with_all_that_heroku_takes(api: FakeApi, cli: Cli) -> None:
    ended = cli("create", "--app", "shop", "--region", "us", "-s", "heroku-24", "-b", "heroku/python")
    assert ended.code == 0
    assert "Setting buildpack to heroku/python... done\n" in ended.err
    assert api.last("POST").body == {"name": "shop", "region": "us", "stack": "heroku-24"}
    assert api.last("PUT").body == {"updates": [{"buildpack": "heroku/python"}]}


def test_create_as_json(cli: Cli) -> None:
    assert json.loads(cli.ok("create", "shop", "--json"))["name"] == "shop"


def test_list(api: FakeApi, cli: Cli) -> None:
    assert "pushd create" in cli("apps").err
    api.add_app("shop")
    api.add_app("blog")["maintenance"] = True
    api.add_app("theirs")["owner"] = {"id": "b", "email": "bob@example.com"}
    api.add_app("other")["unseen"] = True

    assert cli.ok("apps") == (
        "=== ada@example.com Apps\n\nblog (maintenance)\nshop\n\n"
        "=== Collaborated Apps\n\nName    Email\ntheirs  bob@example.com\n"
    )  # fmt: skip
    assert [app["name"] for app in json.loads(cli.ok("list", "--json"))] == ["blog", "shop", "theirs"]
    assert [app["name"] for app in json.loads(cli.ok("apps", "-A", "-j"))] == ["blog", "other", "shop", "theirs"]


def test_info(shop: Cli) -> None:
    shop.api.add_dyno("shop", "web.1")
    shop.api.add_dyno("shop", "web.2")
    printed = shop.ok("info")

    assert "=== shop\n" in printed
    assert re.search(r"^Dynos: +web: 2$", printed, re.MULTILINE)
    assert re.search(r"^Repo Size: +2 KB$", printed, re.MULTILINE)
    assert re.search(r"^Slug Size: +0 B$", printed, re.MULTILINE)
    assert shop.ok("apps:info", "shop") == shop.ok("info", "--app", "shop") == printed
    assert "Collaborators" not in printed
    told = json.loads(shop.ok("info", "--json"))
    assert told["web_url"] == told["app"]["web_url"] == "http://shop.localhost:8080/"
    assert (len(told["dynos"]), told["collaborators"], told["pipeline_coupling"]) == (2, [], None)
    assert re.search(r"^Protected by: +sandbox$", printed, re.MULTILINE)
    assert re.search(r"^Not protected by: +own user \(we are not root\)$", printed, re.MULTILINE)
    others = ("zoe@example.com", "ada@example.com", "bob@example.com")
    shop.api.things["/apps/shop/collaborators"] = [{"user": {"email": each}} for each in others]
    shop.api.is_older = True
    printed = shop.ok("info")
    assert "Collaborators:  bob@example.com, zoe@example.com\n" in printed
    assert "rotected by" not in printed


def test_info_for_a_shell(shop: Cli) -> None:
    assert "web_url=http://shop.localhost:8080/\n" in shop.ok("info", "-s")


def test_rename_rewrites_the_remotes_of_this_folder(api: FakeApi, cli: Cli) -> None:
    cli.repository()
    cli.ok("create", "shop")
    cli.git("remote", "add", "origin", "https://github.com/ada/shop.git")
    ended = cli("rename", "store")

    assert ended.code == 0
    assert "Renaming shop to store... done" in ended.err
    assert cli.git("remote", "get-url", "pushd") == f"{api.url}/store.git"
    assert cli.git("remote", "get-url", "origin") == "https://github.com/ada/shop.git"
    assert "shop" not in api.apps


def test_destroy_with_confirmation_removes_remotes(api: FakeApi, cli: Cli) -> None:
    cli.repository()
    cli.ok("create", "shop")
    cli.ok("destroy", "--app", "shop", "--confirm", "shop")

    assert api.apps == {}
    assert cli.git("remote") == ""


@pytest.mark.parametrize("confirm", [[], ["--confirm", "another"]])
def test_destroy_without_the_right_confirmation_destroys_nothing(shop: Cli, confirm: list[str]) -> None:
    ended = shop("apps:destroy", *confirm)

    assert ended.code == 1
    assert "--confirm shop" in ended.err
    assert "shop" in shop.api.apps


@pytest.mark.parametrize(("typed", "code"), [("shop\n", 0), ("shopp\n", 1), ("", 130)])
def test_destroy_asks_on_a_terminal(shop: Cli, typed: str, code: int) -> None:
    ended = shop("destroy", stdin=typed, terminal=True)

    assert ended.code == code
    assert ("shop" in shop.api.apps) == (code != 0)


def test_open_prints_the_url_in_a_pipe(shop: Cli) -> None:
    assert shop.ok("open") == "http://shop.localhost:8080/\n"
    assert shop.ok("apps:open", "/about?x=1") == "http://shop.localhost:8080/about?x=1\n"
    assert json.loads(shop.ok("open", "about", "--json")) == {"url": "http://shop.localhost:8080/about"}


def test_maintenance(shop: Cli) -> None:
    assert shop.ok("maintenance") == "off\n"
    assert "Enabling maintenance mode for shop... done" in shop("maintenance:on").err
    assert shop.ok("maintenance") == "on\n"
    assert json.loads(shop.ok("maintenance", "--json")) == {"maintenance": True}
    assert json.loads(shop.ok("maintenance:on", "--json")) == {"maintenance": True}
    assert json.loads(shop.ok("maintenance:off", "--json")) == {"maintenance": False}
    assert shop.ok("maintenance") == "off\n"
