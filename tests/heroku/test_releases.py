"""Releases: listed, shown, rolled back; what their release phase printed."""

from __future__ import annotations

import re

from tests.e2e.harness import eventually
from tests.heroku.conftest import Live
from tests.heroku.harness import Heroku


def test_the_list(heroku: Heroku, site: Live) -> None:
    lines = heroku("releases", "-a", "site").splitlines()
    newest = heroku.json("releases", "-a", "site", "-n", "1")

    assert lines[0] == "=== site Releases - Current: v3"
    assert [line.split()[0] for line in lines if re.match(r"\s*v\d", line)] == ["v3", "v2", "v1"]
    assert [release["version"] for release in newest] == [3]


def test_one_release(heroku: Heroku, site: Live) -> None:
    shown = heroku("releases:info", "v2", "-a", "site")
    newest = heroku.json("releases:info", "-a", "site")

    assert shown.startswith("=== Release v2")
    assert "Deploy" in shown
    assert newest["version"] == 3
    assert "GREETING" in heroku("releases:info", "v3", "-a", "site", "--shell")


def test_a_release_that_is_not_there(heroku: Heroku, site: Live) -> None:
    assert "Couldn't find that release." in heroku.fails("releases:info", "v99", "-a", "site").stderr


def test_no_output_without_a_release_phase(heroku: Heroku, site: Live) -> None:
    assert "no release output available" in heroku.run("releases:output", "v3", "-a", "site").output


def test_a_release_phase_is_seen_in_the_push_and_afterwards(heroku: Heroku, live: Live) -> None:
    procfile = live.folder / "Procfile"
    procfile.write_text(procfile.read_text() + "release: echo migrated to $RELEASE_MARK\n")
    heroku.call(f"/apps/{live.name}/config-vars", "PATCH", {"RELEASE_MARK": "seven"})
    for words in (["add", "-A"], ["commit", "-q", "-m", "migrate"]):
        heroku.git(*words, cwd=live.folder)
    heroku("git:remote", "-a", live.name, cwd=live.folder)
    assert "migrated to seven" in heroku.git("push", "heroku", "master", cwd=live.folder).stderr

    assert heroku("releases:output", "-a", live.name) == "migrated to seven\n"

    before = heroku.json("releases", "-a", live.name, "-n", "1")[0]["version"]
    heroku("releases:retry", "-a", live.name)
    newest = heroku.json("releases", "-a", live.name, "-n", "1")[0]
    assert (newest["version"], newest["description"].partition(":")[0]) == (before + 1, f"Retry of v{before}")
    path = f"/apps/{live.name}/releases/{before + 1}"
    eventually(lambda: heroku.call(path)["status"] == "succeeded", what="the retry")
    assert heroku("releases:output", "-a", live.name) == "migrated to seven\n"


def test_only_a_release_phase_is_retried(heroku: Heroku, site: Live) -> None:
    assert "must have a release-phase command" in heroku.fails("releases:retry", "-a", "site").stderr


def test_rollback(heroku: Heroku, live: Live) -> None:
    heroku("rollback", "v2", "-a", live.name)
    assert heroku.call(f"/apps/{live.name}/config-vars") == {}
    assert eventually(lambda: live.get("/env/GREETING").body == "(not set)", what="the page as it was")

    heroku("releases:rollback", "-a", live.name)
    assert heroku.call(f"/apps/{live.name}/config-vars") == {"GREETING": "hello"}


def test_a_rollback_that_cannot_be(heroku: Heroku, app: str) -> None:
    assert heroku.fails("rollback", "v9", "-a", app).exit_code == 2
    assert heroku.fails("rollback", "-a", app).stderr
