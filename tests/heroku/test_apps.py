"""Apps: made, shown, renamed, opened, destroyed; and the git remotes that lead to them."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.harness import eventually
from tests.heroku.conftest import Live
from tests.heroku.harness import Heroku, fresh_name


def remotes(heroku: Heroku, cwd: Path | None = None) -> str:
    return heroku.git("remote", "-v", cwd=cwd).stdout


def test_create_in_a_repository_push_and_see_the_page(heroku: Heroku, repository: Path) -> None:
    name, host = fresh_name(), heroku.variables["HEROKU_HOST"].removeprefix("http://")
    try:
        created = heroku("create", name)
        pushed = heroku.git("push", "heroku", "master").stderr

        assert f"https://{host}/{name}.git" in created
        assert f"heroku\thttps://{host}/{name}.git (fetch)" in remotes(heroku)
        assert "remote: -----> " in pushed
        assert "version one" in heroku.server.get(name, "/").body
        assert (
            heroku("releases").splitlines()[0].startswith(f"=== {name} Releases - Current: v2")
        )  # the app is that of the folder
        assert heroku.git("push", "heroku", "master").stderr.strip() == "Everything up-to-date"
    finally:
        heroku.server.call("DELETE", f"/apps/{name}")


def test_create_makes_up_a_name(heroku: Heroku) -> None:
    name = heroku.json("apps:create")["name"]

    assert heroku.call(f"/apps/{name}")["name"] == name
    heroku("apps:destroy", "--app", name, "--confirm", name)
    assert heroku.server.call("GET", f"/apps/{name}")[0] == 404


def test_a_name_that_is_taken_or_bad(heroku: Heroku, app: str) -> None:
    taken, bad = heroku.fails("apps:create", app), heroku.fails("create", "Bad_Name")

    assert f"Name {app} is already taken" in taken.stderr
    assert "invalid_params" in taken.stderr
    assert bad.exit_code == 2


def test_apps_lists_what_one_has(heroku: Heroku, app: str) -> None:
    listed = heroku("apps")

    assert listed.startswith("=== admin@localhost Apps")
    assert app in listed.split()
    assert app in {each["name"] for each in heroku.json("apps", "--all")}


def test_info_in_all_its_forms(heroku: Heroku, site: Live) -> None:
    shown, lines, data = (
        heroku("apps:info", "-a", "site"),
        heroku("info", "-s", "-a", "site"),
        heroku.json("info", "-a", "site"),
    )

    for line in ("=== site", "admin@localhost", "heroku-24", "web: 1"):
        assert line in shown
    assert "owner=admin@localhost\n" in lines
    assert "dynos={ web: 1 }\n" in lines
    assert data["app"]["name"] == "site"
    assert data["dynos"][0]["name"] == "web.1"


def test_an_app_that_is_not_there(heroku: Heroku) -> None:
    result = heroku.fails("apps:info", "-a", "nobodys")

    assert result.exit_code == 2
    assert "Couldn't find that app." in result.stderr
    assert "`heroku apps` lists" in result.stderr
    assert "not_found" in result.stderr


def test_remote_rename_and_destroy_keep_the_folders_remotes_right(heroku: Heroku, app: str, repository: Path) -> None:
    renamed = fresh_name()
    heroku("git:remote", "-a", app)
    heroku("git:remote", "-a", app, "-r", "staging")
    assert remotes(heroku).count(f"/{app}.git") == 4

    heroku("apps:rename", renamed, "--remote", "heroku")
    assert heroku.call(f"/apps/{renamed}")["name"] == renamed
    assert remotes(heroku).count(f"/{renamed}.git") == 4

    heroku("destroy", "--app", renamed, "--confirm", renamed)
    assert heroku.server.call("GET", f"/apps/{renamed}")[0] == 404
    assert remotes(heroku) == ""


def test_destroy_wants_the_name_again(heroku: Heroku, app: str) -> None:
    refused = heroku.fails("apps:destroy", "-a", app, "--confirm", "another")

    assert "another" in refused.stderr
    assert heroku.call(f"/apps/{app}")["name"] == app


def test_clone_gives_what_was_pushed(heroku: Heroku, site: Live) -> None:
    heroku("git:clone", "-a", "site", "copy")

    copy = heroku.folder / "copy"
    assert (copy / "app.py").read_text() == (site.folder / "app.py").read_text()
    assert "/site.git" in remotes(heroku, cwd=copy)


def test_open_goes_to_the_page(heroku: Heroku, site: Live, tmp_path: Path) -> None:
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {seen}\n')
    browser.chmod(0o755)
    heroku("apps:open", "about", "-a", "site", BROWSER=str(browser))

    address = heroku.call("/apps/site")["web_url"] + "about"
    assert eventually(lambda: seen.exists() and seen.read_text() == address, what="the browser")


def test_maintenance(heroku: Heroku, live: Live) -> None:
    assert heroku("maintenance", "-a", live.name) == "off\n"

    heroku("maintenance:on", "-a", live.name)
    assert heroku("maintenance", "-a", live.name) == "on\n"
    assert live.get().status == 503

    heroku("maintenance:off", "-a", live.name)
    assert live.get().status == 200


def test_stacks(heroku: Heroku, app: str) -> None:
    assert "* heroku-24" in heroku("apps:stacks", "-a", app)


def test_regions(heroku: Heroku) -> None:
    assert heroku.json("regions")[0]["name"] == "us"
