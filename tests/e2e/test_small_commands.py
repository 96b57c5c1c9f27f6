"""Commands about the account, access and small things of an app, with the installed client: each shows what one did before."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.e2e.harness import Project, Server


def test_tokens(server: Server) -> None:
    assert server.ok("auth:token").strip() == server.token
    made = json.loads(server.ok("authorizations:create", "--description", "a robot", "--json"))
    which = made["id"]
    assert server.ok("whoami", PUSHD_API_KEY=made["access_token"]["token"]) == server.ok("whoami")

    server.ok("authorizations:update", which, "--description", "another robot")
    assert "another robot" in server.ok("authorizations")
    rotated = json.loads(server.ok("authorizations:rotate", which, "--json"))
    assert server.pushd("whoami", PUSHD_API_KEY=made["access_token"]["token"]).exit_code == 1
    assert server.ok("whoami", PUSHD_API_KEY=rotated["access_token"]["token"])
    assert which in server.ok("authorizations:info", which)
    server.ok("authorizations:revoke", which)
    assert "another robot" not in server.ok("authorizations")


def test_what_the_server_offers(project: Project) -> None:
    stack = json.loads(project.ok("info", "--json"))["stack"]["name"]

    assert stack in project.ok("apps:stacks")
    project.ok("apps:stacks:set", stack)
    assert project.pushd("apps:stacks:set", "cedar-14").exit_code == 1
    assert "us" in project.ok("regions")
    assert project.ok("addons", "--json").strip() == "[]"


def test_features(project: Project) -> None:
    def enabled() -> bool:
        return bool(json.loads(project.ok("features:info", "log-runtime-metrics", "--json"))["enabled"])

    project.ok("features:enable", "log-runtime-metrics")
    assert enabled()
    project.ok("features:disable", "log-runtime-metrics")
    assert not enabled()
    assert "log-runtime-metrics" in project.ok("features") + project.ok("labs")


def test_collaborators(project: Project) -> None:
    project.ok("access:add", "bob@example.com")
    assert "bob@example.com" in project.ok("access")
    project.ok("access:remove", "bob@example.com")
    assert "bob@example.com" not in project.ok("access")


def test_keys(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada@laptop", "-f", str(file)], check=True)
    server.ok("keys:add", f"{file}.pub")
    assert "ada@laptop" in server.ok("keys")
    server.ok("keys:remove", "ada@laptop")
    server.ok("keys:add", f"{file}.pub")
    server.ok("keys:clear")
    assert "ada@laptop" not in server.ok("keys")


def test_drains(project: Project) -> None:
    project.ok("drains:add", "syslog+tls://logs.example.com:6514")
    assert "logs.example.com" in project.ok("drains")
    project.ok("drains:remove", "syslog+tls://logs.example.com:6514")
    assert "logs.example.com" not in project.ok("drains")


def test_buildpacks(project: Project) -> None:
    def listed() -> list[str]:
        return [each["buildpack"]["url"] for each in json.loads(project.ok("buildpacks", "--json"))]

    project.ok("buildpacks:set", "heroku/python")
    ours = listed()
    assert len(ours) == 1
    project.ok("buildpacks:add", "--index", "1", "https://buildpacks.example.com/static.git")
    assert listed() == ["https://buildpacks.example.com/static.git", *ours]
    project.ok("buildpacks:remove", "https://buildpacks.example.com/static.git")
    assert listed() == ours
    project.ok("buildpacks:clear")
    assert listed() == []


def test_domains_and_certificates(project: Project) -> None:
    domain = f"www.{project.app}.example.com"
    project.ok("domains:add", domain)
    project.ok("domains:wait", domain)
    assert domain in project.ok("domains")
    project.ok("certs:generate", domain, "--selfsigned")
    files = (f"{domain}.crt", f"{domain}.key")

    name = json.loads(project.ok("certs:add", *files, "--json"))["name"]
    project.ok("domains:update", domain, "--cert", name)
    assert domain in project.ok("certs:info", "--name", name)
    project.ok("certs:update", *files, "--name", name, "--confirm", project.app)
    project.ok("certs:remove", "--name", name, "--confirm", project.app)
    assert name not in project.ok("certs")


def test_certificates_by_themselves_are_refused_with_a_way_out(project: Project) -> None:
    assert project.ok("certs:auto")
    for refused in (
        project.pushd("certs:auto:enable"),
        project.pushd("certs:auto:disable", "--confirm", project.app),
        project.pushd("certs:auto:refresh"),
    ):
        assert refused.exit_code in (0, 1)
        assert refused.exit_code == 0 or "certs:add" in refused.output


def test_a_pipeline_and_its_apps(project: Project) -> None:
    line = f"{project.app}-line"

    def stage() -> str | None:
        apps = json.loads(project.ok("pipelines:info", f"{line}-2", "--json"))["apps"]
        return next((str(app["stage"]) for app in apps), None)

    project.ok("pipelines:create", line, "--stage", "staging")
    project.ok("pipelines:rename", line, f"{line}-2")
    assert f"{line}-2" in project.ok("pipelines")
    assert stage() == "staging"
    project.ok("pipelines:update", "--stage", "production")
    assert stage() == "production"
    project.ok("pipelines:remove")
    assert stage() is None
    project.ok("pipelines:destroy", f"{line}-2")


def test_a_webhook_and_what_it_was_told(project: Project) -> None:
    added = project.ok("webhooks:add", "-i", "api:release", "-l", "notify", "-u", "http://127.0.0.1:1/", "--json")
    which = json.loads(added)["id"]
    project.ok("config:set", "GREETING=hello")

    event = json.loads(project.ok("webhooks:events", "--json"))[0]["id"]
    delivery = json.loads(project.ok("webhooks:deliveries", "--json"))[0]["id"]
    assert '"resource": "release"' in project.ok("webhooks:events:info", event)
    assert event in project.ok("webhooks:deliveries:info", delivery)
    project.ok("webhooks:update", which, "--level", "sync", "--url", "http://127.0.0.1:2/")
    assert "http://127.0.0.1:2/" in project.ok("webhooks:info", which)
    assert which in project.ok("webhooks")
    project.ok("webhooks:remove", which)
    assert which not in project.ok("webhooks")


def test_a_release_phase_runs_again(project: Project) -> None:
    project.write("Procfile", "web: python app.py\nrelease: echo migrating for $WHO\n")
    project.commit("a release phase")
    project.ok("config:set", "WHO=ada")
    project.deploy()

    project.ok("releases:retry")

    assert json.loads(project.ok("releases", "--json"))[0]["description"].startswith("Retry of v3")
    assert "migrating for ada" in project.ok("releases:output")
