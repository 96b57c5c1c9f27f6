"""Config vars: each change is a release, and the dynos have it."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.harness import eventually
from tests.heroku.conftest import Live
from tests.heroku.harness import Heroku


def test_set_get_and_unset(heroku: Heroku, live: Live) -> None:
    done = heroku.run("config:set", "COLOUR=blue green", "EMPTY=", "-a", live.name)

    assert "v4" in done.stderr
    assert "COLOUR: blue green" in done.stdout
    assert heroku("config:get", "COLOUR", "-a", live.name) == "blue green\n"
    assert eventually(lambda: live.get("/env/COLOUR").body == "blue green", what="the new value on the page")
    assert heroku.json("config", "-a", live.name) == {"COLOUR": "blue green", "EMPTY": "", "GREETING": "hello"}

    heroku("config:unset", "COLOUR", "EMPTY", "-a", live.name)
    assert heroku.call(f"/apps/{live.name}/config-vars") == {"GREETING": "hello"}
    assert heroku("config:get", "COLOUR", "-a", live.name).strip() == ""
    assert eventually(lambda: live.get("/env/COLOUR").body == "(not set)", what="the page without it")


def test_every_way_to_read_them(heroku: Heroku, app: str) -> None:
    heroku.call(f"/apps/{app}/config-vars", "PATCH", {"A": "it's", "B": "two\nlines", "C": "é"})

    assert "=== " in heroku("config", "-a", app)
    assert "A='it'\\''s'" in heroku("config", "--shell", "-a", app) or 'A="it' in heroku("config", "-s", "-a", app)
    assert heroku.json("config", "-a", app) == {"A": "it's", "B": "two\nlines", "C": "é"}
    assert heroku("config:get", "B", "-a", app) == "two\nlines\n"


def test_a_name_that_cannot_be(heroku: Heroku, app: str) -> None:
    result = heroku.fails("config:set", "A B=1", "-a", app)

    assert "invalid_params" in result.stderr
    assert heroku.call(f"/apps/{app}/config-vars") == {}


def test_edit(heroku: Heroku, app: str, tmp_path: Path) -> None:
    heroku.call(f"/apps/{app}/config-vars", "PATCH", {"OLD": "1", "SAME": "2"})
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i -e '/OLD/d' -e '$aNEW=3' \"$1\"\n")
    editor.chmod(0o755)

    with heroku.terminal("config:edit", "-a", app, EDITOR=str(editor), VISUAL=str(editor)) as terminal:
        terminal.expect("Update config")
        terminal.type("y\r")
        assert terminal.wait() == 0

    assert heroku.call(f"/apps/{app}/config-vars") == {"NEW": "3", "SAME": "2"}


def test_remove_is_unset(heroku: Heroku, app: str) -> None:
    heroku.call(f"/apps/{app}/config-vars", "PATCH", {"A": "1"})

    heroku("config:remove", "A", "-a", app)

    assert heroku.call(f"/apps/{app}/config-vars") == {}
