"""From staging to production: the page of the target changes, nothing is built, no visitor notices."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.e2e.harness import Load, Project, Server, eventually


def promote(server: Server, source: str, target: str) -> str:
    """Promote by the API as the Heroku CLI does, wait until it has ended; gives the target's status, and why it failed."""
    _, coupling = server.call("GET", f"/apps/{source}/pipeline-couplings")
    _, app = server.call("GET", f"/apps/{target}")
    body = {
        "pipeline": {"id": coupling["pipeline"]["id"]},
        "source": {"app": coupling["app"]},
        "targets": [{"app": {"id": app["id"]}}],
    }
    status, promotion = server.call("POST", "/pipeline-promotions", body)
    assert status == 201, promotion
    path = f"/pipeline-promotions/{promotion['id']}"
    eventually(lambda: server.call("GET", path)[1]["status"] == "completed", what="the promotion's end")
    _, targets = server.call("GET", f"{path}/promotion-targets")
    return f"{targets[0]['status']}{': ' + targets[0]['error_message'] if targets[0]['error_message'] else ''}"


def make_line(server: Server, name: str, **stages: Project) -> None:
    _, pipeline = server.call("POST", "/pipelines", {"name": name})
    for stage, project in stages.items():
        body = {"app": project.app, "pipeline": pipeline["id"], "stage": stage}
        assert server.call("POST", "/pipeline-couplings", body)[0] == 201


def test_a_promotion_under_load(server: Server, another: Callable[[str], Project]) -> None:
    staging, production = another("tiny"), another("tiny")
    make_line(server, staging.app, staging=staging, production=production)
    production.deploy()
    production.ok("config:set", "STAGE=production")
    staging.write("app.py", (staging.folder / "app.py").read_text().replace('"one"', '"two"'))
    commit = staging.commit("second")
    staging.deploy()
    builds = len(json.loads(production.ok("builds", "--json")))

    with Load(server, production.app) as load:
        told = promote(server, staging.app, production.app)

    assert told == "succeeded"
    assert (load.failures, load.answers > 0) == ([], True)
    assert production.get().body.startswith("version two")
    assert production.get("/env/STAGE").body == "production"
    newest = json.loads(production.ok("releases", "--json"))[0]
    assert newest["description"] == f"Promote {staging.app} v2 {commit[:8]}"
    assert len(json.loads(production.ok("builds", "--json"))) == builds

    # What was promoted stands on its own: the source may go, and a rollback needs no build.
    staging.ok("apps:destroy", "--app", staging.app, "--confirm", staging.app)
    production.ok("restart")
    assert production.get().body.startswith("version two")
    production.ok("rollback")
    assert production.get().body.startswith("version one")


def test_a_promotion_that_does_not_boot_leaves_the_target_as_it_was(server: Server, another: Callable[[str], Project]) -> None:
    staging, production = another("tiny"), another("tiny")
    make_line(server, staging.app, staging=staging, production=production)
    production.deploy()
    staging.write("app.py", "import os\nassert os.environ['NEEDED']\n" + (staging.folder / "app.py").read_text())
    staging.commit("needs a variable")
    staging.ok("config:set", "NEEDED=1")
    staging.deploy()

    told = promote(server, staging.app, production.app)

    assert told.startswith("failed: ")
    assert "web.1" in told
    assert production.get().body.startswith("version one")


def test_our_client_from_pipeline_to_promotion(server: Server, another: Callable[[str], Project]) -> None:
    staging, production = another("tiny"), another("tiny")
    line = f"{staging.app}-line"
    staging.ok("pipelines:create", line, "--stage", "staging")
    production.ok("pipelines:add", line)
    staging.write("Procfile", "web: python app.py\nrelease: echo migrating\n")
    staging.commit("with a release phase")
    staging.deploy()
    production.ok("webhooks:add", "-i", "api:release", "-l", "notify", "-u", "http://127.0.0.1:1/")

    shown = server.ok("pipelines:info", line)
    promoted = staging.pushd("pipelines:promote")

    assert [row.split() for row in shown.splitlines()[3:]] == [[staging.app, "staging"], [production.app, "production"]]
    assert (promoted.exit_code, promoted.stdout) == (0, f"Promotion successful\n{production.app}: succeeded\n")
    assert production.get().body.startswith("version one")
    assert "migrating" in production.ok("releases:output")
    eventually(lambda: "failed" in production.ok("webhooks:deliveries"), what="a delivery that fails")
    server.ok("pipelines:destroy", line)
