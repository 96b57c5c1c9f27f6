"""Config vars, releases, rollback: what a user types, and what visitors then see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.e2e.harness import Project


def test_setting_a_config_var_changes_the_page_and_makes_a_release(deployed: Project) -> None:
    before = len(json.loads(deployed.ok("releases", "--json")))

    printed = deployed.ok("config:set", "GREETING=hello world", "EMPTY=")

    assert "GREETING" in printed
    assert deployed.get("/env/GREETING").body == "hello world"
    assert deployed.get("/env/EMPTY").body == ""
    assert len(json.loads(deployed.ok("releases", "--json"))) == before + 1
    assert deployed.ok("config:get", "GREETING") == "hello world\n"


def test_values_are_never_mangled(deployed: Project) -> None:
    value = 'a \'b\' "c" $HOME `d` \\ \n second line \t = é ü 漢 {"x": 1}'

    deployed.ok("config:set", f"ODD={value}")

    assert deployed.get("/env/ODD").body == value
    assert json.loads(deployed.ok("config", "--json"))["ODD"] == value


def test_unsetting_removes_the_variable(deployed: Project) -> None:
    deployed.ok("config:set", "GONE=1")
    deployed.ok("config:unset", "GONE")

    assert deployed.get("/env/GONE").body == "(not set)"
    assert "GONE" not in deployed.ok("config")


def test_a_config_change_that_kills_the_app_leaves_the_old_dynos(deployed: Project) -> None:
    deployed.write("app.py", "import os\nassert os.environ.get('BREAK') is None\n" + (deployed.folder / "app.py").read_text())
    deployed.commit("breakable")
    deployed.deploy()

    result = deployed.pushd("config:set", "BREAK=1")

    assert result.exit_code == 1
    assert "AssertionError" in result.output or "exited" in result.output
    assert deployed.get().status == 200
    assert deployed.ok("config:get", "BREAK") == "1\n"  # the newest values are kept, and the message says so
    deployed.ok("config:unset", "BREAK")


def test_config_before_the_first_push_is_there_at_the_first_boot(project: Project) -> None:
    project.ok("config:set", "EARLY=bird")
    project.deploy()

    assert project.get("/env/EARLY").body == "bird"


def test_the_repair_that_heroku_users_know(project: Project) -> None:
    """Push, see it miss a variable, set the variable: the app is live without another push."""
    project.write("app.py", "import os\nos.environ['SECRET_KEY']\n" + (project.folder / "app.py").read_text())
    project.commit("needs SECRET_KEY")
    assert project.push().exit_code == 1

    project.ok("config:set", "SECRET_KEY=s3cr3t")

    assert project.get().status == 200


def test_rollback_restores_slug_and_config_without_building(deployed: Project) -> None:
    deployed.ok("config:set", "COLOUR=red")
    deployed.write("app.py", (deployed.folder / "app.py").read_text().replace('"one"', '"two"'))
    deployed.commit("two")
    deployed.deploy()
    deployed.ok("config:set", "COLOUR=blue")
    builds = len(json.loads(deployed.ok("builds", "--json")))

    printed = deployed.ok("rollback", "v3")

    assert "v3" in printed
    assert "version one" in deployed.get().body
    assert deployed.get("/env/COLOUR").body == "red"
    assert deployed.ok("config:get", "COLOUR") == "red\n"
    assert len(json.loads(deployed.ok("builds", "--json"))) == builds


def test_rollback_without_a_number_goes_one_back(deployed: Project) -> None:
    deployed.write("app.py", (deployed.folder / "app.py").read_text().replace('"one"', '"two"'))
    deployed.commit("two")
    deployed.deploy()

    deployed.ok("releases:rollback")

    assert "version one" in deployed.get().body


def test_what_cannot_be_rolled_back_to_is_refused(deployed: Project) -> None:
    for wanted in ("v1", "v99", "nonsense"):
        result = deployed.pushd("rollback", wanted)
        assert result.exit_code == 1, wanted
    assert deployed.get().status == 200


class Pages(BaseHTTPRequestHandler):
    """Answers every path with a page that names it."""

    def do_GET(self) -> None:
        body = f"<p>our page {self.path}</p>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def pages() -> Iterator[str]:
    """The URL of a server of pages."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


def test_pages_named_in_config_vars_are_shown_at_once(deployed: Project, pages: str) -> None:
    deployed.ok("ps:scale", "web=0")
    deployed.ok("config:set", f"ERROR_PAGE_URL={pages}/error")
    page = deployed.get()
    assert (page.status, page.body) == (503, "<p>our page /error</p>")

    deployed.ok("maintenance:on")
    deployed.ok("config:set", f"MAINTENANCE_PAGE_URL={pages}/maintenance")
    assert deployed.get().body == "<p>our page /maintenance</p>"

    deployed.ok("config:unset", "MAINTENANCE_PAGE_URL")
    deployed.write("static/maintenance.html", "<p>back at noon</p>")
    deployed.commit("a page for maintenance")
    deployed.deploy()
    assert deployed.get().body == "<p>back at noon</p>"


def test_releases_info_shows_one(deployed: Project) -> None:
    deployed.ok("config:set", "SHOWN=1")
    printed = deployed.ok("releases:info", "v3")

    assert "v3" in printed
    assert "SHOWN" in printed
    assert json.loads(deployed.ok("releases:info", "v3", "--json"))["version"] == 3
