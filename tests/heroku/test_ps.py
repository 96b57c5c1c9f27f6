"""Dynos: listed, scaled, restarted, stopped, waited for."""

from __future__ import annotations

import re
from typing import Any

from tests.e2e.harness import eventually
from tests.heroku.conftest import Live
from tests.heroku.harness import Heroku


def dynos(heroku: Heroku, app: str) -> dict[str, Any]:
    return {each["name"]: each for each in heroku.call(f"/apps/{app}/dynos")}


def quantities(heroku: Heroku, app: str) -> dict[str, int]:
    return {each["type"]: each["quantity"] for each in heroku.call(f"/apps/{app}/formation")}


def up(heroku: Heroku, app: str, *names: str) -> bool:
    found = dynos(heroku, app)
    return set(found) == set(names) and all(each["state"] == "up" for each in found.values())


def test_the_list(heroku: Heroku, site: Live) -> None:
    shown, data = heroku("ps", "-a", "site"), heroku.json("ps", "-a", "site")

    assert re.search(r"=== web \(.*\): python app\.py \(1\)", shown)
    assert re.search(r"web\.1: up \d{4}/\d\d/\d\d", shown)
    assert [each["name"] for each in data] == ["web.1"]
    assert heroku("ps", "web", "-a", "site") == shown or "web.1" in heroku("ps", "web", "-a", "site")


def test_scale(heroku: Heroku, live: Live) -> None:
    assert "web=1" in heroku("ps:scale", "-a", live.name)

    done = heroku.run("ps:scale", "web=2", "worker+1", "-a", live.name)
    assert "now running web at 2" in done.output
    assert quantities(heroku, live.name) == {"web": 2, "worker": 1}
    assert eventually(lambda: up(heroku, live.name, "web.1", "web.2", "worker.1"), what="all three")

    heroku("dyno:scale", "web-1", "worker=0", "-a", live.name)
    assert quantities(heroku, live.name) == {"web": 1, "worker": 0}
    assert eventually(lambda: up(heroku, live.name, "web.1"), what="web.1 alone")


def test_scale_what_is_not_there(heroku: Heroku, site: Live) -> None:
    assert heroku.fails("ps:scale", "clock=1", "-a", "site").exit_code == 2
    assert quantities(heroku, "site") == {"web": 1, "worker": 0}


def test_wait_ends_when_all_are_up(heroku: Heroku, site: Live) -> None:
    heroku("ps:wait", "-a", "site")

    assert up(heroku, "site", "web.1")


def test_restart_in_its_forms(heroku: Heroku, live: Live) -> None:
    seen = {live.get().body}
    for words in (
        ["ps:restart"],
        ["restart"],
        ["dyno:restart", "web.1"],
        ["ps:restart", "-p", "web"],
        ["ps:restart", "-d", "web.1"],
    ):
        heroku(*words, "-a", live.name)
        page = eventually(lambda: (body := live.get().body) not in seen and body, what=f"a new process after {words}")
        seen.add(page)


def test_stop_ends_a_one_off_and_starts_a_web_dyno_anew(heroku: Heroku, live: Live) -> None:
    one_off = heroku.call(f"/apps/{live.name}/dynos", "POST", {"command": "sleep 1000"})["name"]
    before = dynos(heroku, live.name)["web.1"]["id"]

    heroku("ps:stop", one_off, "-a", live.name)
    heroku("ps:kill", "web.1", "-a", live.name)

    assert eventually(lambda: one_off not in dynos(heroku, live.name), what="the end of the one-off")
    assert eventually(lambda: dynos(heroku, live.name).get("web.1", {}).get("id", before) != before, what="another web.1")


def test_a_dyno_that_is_not_there(heroku: Heroku, site: Live) -> None:
    assert "web.9" in heroku.fails("ps:stop", "web.9", "-a", "site").output


def test_type(heroku: Heroku, live: Live) -> None:
    shown = heroku("ps:type", "-a", live.name)
    assert re.search(r"web\s+Standard-1X\s.*1", shown, re.IGNORECASE)

    heroku("ps:type", "web=standard-2x", "-a", live.name)

    assert re.search(r"web\s+Standard-2X\s.*1", heroku("ps:type", "-a", live.name), re.IGNORECASE)
    assert eventually(lambda: dynos(heroku, live.name).get("web.1", {}).get("size") == "Standard-2X", what="its dyno")
    assert "no dyno size" in heroku.fails("ps:type", "web=huge", "-a", live.name).output
