"""Dynos, logs, maintenance, one-off processes, settings."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.e2e.harness import BIN, Project, Server, eventually, read_until, running


def test_ps_shows_what_runs(deployed: Project) -> None:
    rows = json.loads(deployed.ok("ps", "--json"))

    assert [(row["name"], row["state"]) for row in rows] == [("web.1", "up")]
    assert "web.1" in deployed.ok("ps")


def test_scaling_up_and_down(deployed: Project) -> None:
    deployed.ok("ps:scale", "web=2", "worker=1")
    eventually(lambda: len(json.loads(deployed.ok("ps", "--json"))) == 3, what="three dynos")
    answered = {deployed.get().body.rpartition(" ")[2] for _ in range(12)}
    assert answered == {"web.1", "web.2"}

    deployed.ok("ps:scale", "web-1", "worker=0")
    eventually(lambda: [row["name"] for row in json.loads(deployed.ok("ps", "--json"))] == ["web.1"], what="one dyno")
    assert "web=1" in deployed.ok("ps:scale").replace(" ", "")


def test_scaling_to_nothing_answers_h14(deployed: Project) -> None:
    deployed.ok("ps:scale", "web=0")
    assert deployed.get().status == 503
    eventually(lambda: "code=H14" in deployed.ok("logs", "-n", "50"), what="H14 in the log")
    deployed.ok("ps:scale", "web=1")
    assert deployed.get().status == 200


def test_an_unknown_process_type_is_refused(deployed: Project) -> None:
    result = deployed.pushd("ps:scale", "nobody=1")

    assert result.exit_code == 1
    assert "web" in result.output  # says which there are


def test_restart_gives_new_processes(deployed: Project) -> None:
    before = deployed.get().body
    deployed.ok("restart")
    after = deployed.get().body
    deployed.ok("ps:restart", "web.1")

    assert len({before, after, deployed.get().body}) == 3


def test_ps_stop_of_a_scaled_dyno_is_a_restart(deployed: Project) -> None:
    before = deployed.get().body
    deployed.ok("ps:stop", "web.1")
    assert deployed.get().body != before


def test_ps_wait_ends_when_everything_is_up(deployed: Project) -> None:
    deployed.ok("config:set", "--no-wait", "A=1")
    deployed.ok("ps:wait")
    assert deployed.get("/env/A").body == "1"


def test_a_crashed_dyno_comes_back(deployed: Project) -> None:
    before = deployed.get().body
    deployed.server.get(deployed.app, "/exit/3")
    eventually(lambda: (page := deployed.get()).status == 200 and page.body != before, what="a new process")
    assert "Process exited with status 3" in deployed.ok("logs", "-n", "100")


def test_logs_show_app_router_and_platform(deployed: Project) -> None:
    deployed.get("/log/hello-from-the-app")
    logs = eventually(
        lambda: _with(deployed.ok("logs", "-n", "200"), 'path="/log/hello-from-the-app"'), what="the router's line"
    )

    assert "app[web.1]: hello-from-the-app" in logs
    assert "heroku[router]: at=info method=GET" in logs
    assert "heroku[web.1]: State changed from starting to up" in logs
    assert "app[api]: Release v2 created by user" in logs
    assert "heroku[" not in deployed.ok("logs", "--source", "app", "--ps", "web")
    assert deployed.ok("logs", "-n", "1").count("\n") == 1


def _with(text: str, wanted: str) -> str:
    return text if wanted in text else ""


def test_logs_tail_shows_lines_as_they_come(deployed: Project) -> None:
    tail = subprocess.Popen([str(BIN / "pushd"), "logs", "-t", "-a", deployed.app], env=deployed.server.client_environ(),
                            stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        read_until(tail.stdout, "State changed from starting to up")
        deployed.get("/log/live-line")
        read_until(tail.stdout, "app[web.1]: live-line")
        assert tail.poll() is None
    finally:
        tail.terminate()
        tail.communicate()


def test_maintenance_is_seen_and_over_when_the_command_ends(deployed: Project) -> None:
    deployed.ok("maintenance:on")
    page = deployed.get()
    assert page.status == 503
    assert "Retry-After" in page.headers
    assert "on" in deployed.ok("maintenance")

    deployed.ok("maintenance:off")
    assert deployed.get().status == 200


def test_the_apps_own_maintenance_page(deployed: Project) -> None:
    deployed.write("static/maintenance.html", "<h1>back on Monday</h1>")
    deployed.commit("page")
    deployed.deploy()
    deployed.ok("maintenance:on")

    assert "back on Monday" in deployed.get().body
    deployed.ok("maintenance:off")


def test_run_detached_logs_its_output(deployed: Project) -> None:
    deployed.ok("config:set", "WORD=inherited")

    printed = deployed.ok("run:detached", "--", "sh", "-c", "echo one-off says $WORD; exit 4")

    assert "run." in printed
    logs = eventually(lambda: _with(deployed.ok("logs", "-n", "100"), "Process exited with status 4"), what="its end")
    assert "one-off says inherited" in logs


def test_settings_are_listed_set_and_unset(deployed: Project) -> None:
    deployed.ok("settings:set", "probe-path=/healthz", "boot-timeout-seconds=20")
    rows = {row["name"]: row["value"] for row in json.loads(deployed.ok("settings", "--json"))}
    assert rows["probe-path"] == "/healthz"

    deployed.ok("settings:unset", "probe-path", "boot-timeout-seconds")
    refused = deployed.pushd("settings:set", "no-such-setting=1")
    assert refused.exit_code == 1
    assert "no-such-setting" in refused.output


def test_dynos_see_their_own_files_and_nothing_of_the_server(deployed: Project) -> None:
    data = str(deployed.server.data).lstrip("/")
    assert deployed.get("/env/HOME").body == "/app"
    assert deployed.get(f"/read/{data}/admin.token").body == "(no such file)"
    assert deployed.get("/env/PUSHD_DATA_DIR").body == "(not set)"
    assert deployed.get("/write/scratch.txt").body == "/app/scratch.txt"
    assert deployed.get("/read/app/scratch.txt").body == "written"
    deployed.ok("restart")
    assert deployed.get("/read/app/scratch.txt").body == "(no such file)"


def test_one_off_dynos_of_an_app_are_bounded(tmp_path: Path) -> None:
    with running(Server(tmp_path / "data", tmp_path / "home", flags=("--runs-per-app", "2"))) as server:
        project = server.project(tmp_path / "app", "busy")
        project.deploy()
        first = project.ok("run:detached", "--", "sleep", "600")
        assert server.call("POST", "/apps/busy/dynos", {"command": "sleep 600", "attach": True})[0] == 201  # whom nobody claims

        refused = project.pushd("run:detached", "--", "sleep", "600")
        status, answer = server.call("POST", "/apps/busy/dynos", {"command": "sleep 600", "attach": True})

        assert (refused.exit_code, "may have 2 at once" in refused.output) == (1, True)
        assert (status, "runs_per_app" in answer["message"]) == (422, True)
        name = next(word for word in first.replace(".\n", " ").split() if word.startswith("run."))
        project.ok("ps:stop", name.rstrip("."))
        eventually(lambda: project.pushd("run:detached", "--", "true").exit_code == 0, what="room for another one")
