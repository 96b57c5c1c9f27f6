"""Access, SSH keys and log drains."""

from __future__ import annotations

import json

from tests.cli.conftest import Cli
from tests.client.fake_api import EMAIL, USER

DATA = "AAAAC3NzaC1lZDI1NTE5AAAAIP1cPCDp7jJnBiuy/begUhVBRsVRpvUr2hdnZDjZjBzJ"
KEY = f"ssh-ed25519 {DATA} ada@laptop"


def test_access(shop: Cli) -> None:
    shop.api.things["/apps/shop/collaborators"] = [{"id": "o", "user": USER, "role": "owner"}]
    assert shop("access:add", "bob@example.com").err == "Adding bob@example.com access to the app shop... done\n"

    assert shop.ok("access") == (f"email            role\n{EMAIL}  owner\nbob@example.com  collaborator\n")
    made = json.loads(shop.ok("access", "--json"))[1]
    shop.api.things["/apps/shop/collaborators"][1]["email"] = made["user"]["email"]
    assert json.loads(shop.ok("access:remove", "bob@example.com", "--json"))["id"] == made["id"]
    assert shop("access:remove", "bob@example.com").code == 1


def test_shared_apps_are_listed_apart(shop: Cli) -> None:
    shop.api.add_app("theirs")["owner"] = {"id": "b", "email": "bob@example.com"}

    assert shop.ok("apps") == (f"=== {EMAIL} Apps\n\nshop\n\n=== Collaborated Apps\n\nName    Email\ntheirs  bob@example.com\n")


def test_drains(shop: Cli) -> None:
    assert "has no log drains" in shop("drains").err
    shop.api.warning = "Not delivered yet."
    url = "https://ada:p%40ss@logs.example.com/in?a=b%20c"

    ended = shop("drains:add", url)

    assert (ended.out, ended.err) == (f"Successfully added drain {url}\n", " !    Not delivered yet.\n")
    assert shop.ok("drains") == f"=== Drains\n\n{url} (d.1)\n"
    assert json.loads(shop.ok("drains", "--json"))[0]["token"] == "d.1"
    assert shop.ok("drains:remove", url) == f"Successfully removed drain {url}\n"
    assert shop.api.things["/apps/shop/log-drains"] == []


def test_keys_are_added_listed_and_removed(cli: Cli) -> None:
    assert "You have no SSH keys" in cli("keys").err
    (cli.folder / "my.pub").write_text(f"{KEY}\n")

    assert cli("keys:add", "my.pub").err == f"Uploading {cli.folder}/my.pub SSH key... done\n"

    assert cli.ok("keys") == f"=== {EMAIL} keys\n\nssh-ed25519 AAAAC3NzaC...dnZDjZjBzJ ada@laptop\n"
    assert cli.ok("keys", "--long") == f"=== {EMAIL} keys\n\n{KEY}\n"
    assert json.loads(cli.ok("keys", "--json"))[0]["public_key"] == KEY
    ended = cli("keys:remove", "nobody")
    assert (ended.code, "Yours are ada@laptop." in ended.err) == (1, True)
    cli.ok("keys:remove", "ada@laptop")
    assert cli.api.things["/account/keys"] == []
    cli.ok("keys:add", "my.pub")
    assert len(json.loads(cli.ok("keys:clear", "--json"))) == 1


def test_a_private_key_stays_where_it_is(cli: Cli) -> None:
    (cli.folder / "id").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")

    ended = cli("keys:add", "id")
    assert (ended.code, "private key" in ended.err, cli.api.asked) == (1, True, [])
    assert "Cannot read" in cli("keys:add", "none").err


def test_a_key_is_found_in_the_home_folder(cli: Cli) -> None:
    folder = cli.home / ".ssh"
    folder.mkdir()
    (folder / "id_rsa.pub").write_text(KEY)

    assert "Nobody is there to answer" in cli("keys:add").err
    assert cli("keys:add", stdin="n\n", terminal=True).code == 1
    assert cli.api.paths(method="POST") == []
    cli.ok("keys:add", "--yes")
    (folder / "other.pub").write_text(KEY.replace("ada@laptop", "other"))
    assert "id_rsa.pub, other.pub" in cli("keys:add").err
    assert cli("keys:add", stdin="2\n", terminal=True).code == 0
    assert [row["comment"] for row in cli.api.things["/account/keys"]] == ["ada@laptop", "other"]


def test_a_key_is_made_where_there_is_none(cli: Cli) -> None:
    assert "There is no SSH key" in cli("keys:add").err
    assert "no ssh-keygen program" in cli("keys:add", "--yes", PATH="/nowhere").err

    assert cli("keys:add", "--yes").code == 0

    private = cli.home / ".ssh" / "id_ed25519"
    assert private.stat().st_mode & 0o777 == 0o600
    assert cli.api.things["/account/keys"][0]["public_key"] == private.with_suffix(".pub").read_text().strip()
