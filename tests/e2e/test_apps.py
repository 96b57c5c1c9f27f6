"""Apps: made, listed, renamed, destroyed; remotes and credentials that follow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.harness import Project, Server


def test_create_writes_a_remote_without_a_token(server: Server, tmp_path: Path) -> None:
    project = Project(server, tmp_path, "made-here")
    project.git("init", "-q", "-b", "master")

    project.ok("create", "made-here", "--remote", "myserver")

    config = (tmp_path / ".git" / "config").read_text()
    assert project.git("remote", "get-url", "myserver").stdout.strip() == f"{server.api}/made-here.git"
    assert server.token not in config
    assert project.git("config", "remote.myserver.pushd").stdout.strip() == server.api
    assert "git pushd git:credentials" in config
    project.ok("apps:destroy", "--confirm", "made-here")
    assert project.git("remote").stdout == ""


def test_create_without_a_name_makes_one_up(server: Server, tmp_path: Path) -> None:
    app = json.loads(server.ok("apps:create", "--no-remote", "--json", cwd=tmp_path))["name"]

    assert app in server.ok("apps")
    server.ok("destroy", "--app", app, "--confirm", app)


@pytest.mark.parametrize("name", ["ab", "Caps", "1digit", "with_underscore", "x" * 31, "ends-"])
def test_a_bad_name_is_refused(server: Server, name: str) -> None:
    result = server.pushd("create", "--no-remote", "--", name)

    assert result.exit_code == 1
    assert "letter" in result.output


def test_a_taken_name_is_refused(project: Project) -> None:
    result = project.pushd("create", project.app, "--no-remote")

    assert result.exit_code == 1
    assert "taken" in result.output


def test_a_rename_moves_host_and_remote_and_keeps_the_app(deployed: Project) -> None:
    old, new = deployed.app, f"{deployed.app}-new"
    body = deployed.get().body

    deployed.ok("rename", new)

    try:
        assert deployed.server.get(new).body == body  # the very same process
        assert deployed.server.get(old).status == 404
        assert deployed.git("remote", "get-url", "pushd").stdout.strip().endswith(f"/{new}.git")
        deployed.git("fetch", "-q", "pushd")
    finally:
        deployed.ok("rename", old, "--app", new)


def test_info_and_list_show_it(deployed: Project) -> None:
    info = json.loads(deployed.ok("info", "--json"))

    assert info["name"] == deployed.app
    assert info["web_url"].startswith(f"http://{deployed.app}.localhost:")
    assert deployed.app in deployed.ok("apps")
    assert deployed.app in deployed.ok("apps:info")


def test_destroy_asks_for_the_name_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    project = server.project(tmp_path / "gone", "gone-soon")
    project.deploy()
    _, app = server.call("GET", "/apps/gone-soon")
    assert project.pushd("destroy", "--confirm", "another").exit_code == 1
    assert project.get().status == 200

    project.ok("destroy", "--confirm", "gone-soon")

    assert project.get().status == 404
    assert project.pushd("info", "--app", "gone-soon").exit_code == 1
    left = _folders_once_settled(server, app["id"])
    assert left == []


def _folders_once_settled(server: Server, app_id: str) -> list[Path]:
    from tests.e2e.harness import eventually

    def gone() -> bool:
        return not list(server.data.glob(f"*/{app_id}*"))

    eventually(gone, what="the folders of a destroyed app to go")
    return list(server.data.glob(f"*/{app_id}*"))


def test_git_remote_leads_another_folder_to_the_app(deployed: Project, tmp_path: Path) -> None:
    clone = Project(deployed.server, tmp_path / "elsewhere", deployed.app)
    clone.folder.mkdir()
    clone.git("init", "-q")
    clone.ok("git:remote", "-a", deployed.app, "-r", "other")
    clone.git("fetch", "-q", "other")

    assert clone.git("branch", "-r").stdout.strip() == "other/master"


def test_login_whoami_logout(server: Server, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environ = {"HOME": str(home), "PUSHD_API_KEY": ""}

    server.ok("login", stdin=server.token + "\n", **environ)
    netrc = home / ".netrc"
    assert netrc.stat().st_mode & 0o777 == 0o600
    assert "admin@localhost" in server.ok("whoami", **environ)

    server.ok("logout", **environ)
    assert server.token not in netrc.read_text()
    refused = server.pushd("whoami", **environ)
    assert refused.exit_code == 1


def test_a_wrong_token_is_refused_everywhere(project: Project) -> None:
    assert project.pushd("apps", PUSHD_API_KEY="pushd-wrong").exit_code == 1
    push = project.git("push", "pushd", "master", check=False, PUSHD_API_KEY="pushd-wrong")
    assert push.exit_code != 0
    status, body = project.server.call("GET", "/apps", token="wrong")
    assert (status, body["id"]) == (401, "unauthorized")


def test_builds_are_listed_with_their_output(deployed: Project) -> None:
    build = json.loads(deployed.ok("builds", "--json"))[0]

    assert build["status"] == "succeeded"
    assert build["id"] in deployed.ok("builds:info", build["id"])
    assert "Python app detected" in deployed.ok("builds:output", build["id"])


def test_config_edit_opens_an_editor(deployed: Project, tmp_path: Path) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nprintf \'ADDED="by hand"\\n\' >> "$1"\n')
    editor.chmod(0o755)

    deployed.ok("config:edit", EDITOR=str(editor))

    assert deployed.get("/env/ADDED").body == "by hand"
