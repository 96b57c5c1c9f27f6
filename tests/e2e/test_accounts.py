"""Two people on one server: each has a home of their own, and what one shares is taken back at once."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, Project, Result, Server, eventually, run
from tests.e2e.test_ssh import Ssh

PASSWORD = "correct horse battery"
_names = iter(f"person{number}@example.com" for number in range(1, 1000))


@dataclass(frozen=True)
class Person:
    """Somebody on a machine of their own, logged in with a password that they chose."""

    server: Server
    home: Path
    email: str

    def environ(self, **extra: str) -> dict[str, str]:
        known = self.server.client_environ(**extra)
        del known["PUSHD_API_KEY"]
        return {**known, "HOME": str(self.home), "PUSHD_DATA_DIR": str(self.home / "none")}

    def pushd(self, *args: str, stdin: str = "") -> Result:
        return run([str(BIN / "pushd"), *args], cwd=self.home, stdin=stdin, env=self.environ())

    def ok(self, *args: str, stdin: str = "") -> str:
        result = self.pushd(*args, stdin=stdin)
        assert result.exit_code == 0, f"pushd {' '.join(args)}: {result.output}"
        return result.stdout

    def popen(self, *args: str) -> subprocess.Popen[str]:
        """A command that a test reads while it runs."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([str(BIN / "pushd"), *args], cwd=self.home, env=self.environ(), text=True, **pipes)

    def git(self, folder: Path, *args: str) -> Result:
        return run(["git", *args], cwd=folder, env=self.environ())


@pytest.fixture
def join(server: Server, tmp_path: Path) -> Callable[[], Person]:
    """Invites people, who then log in."""

    def make() -> Person:
        email = next(_names)
        made = json.loads(server.ok("users:add", email, "--json"))
        person = Person(server, tmp_path / email, email)
        person.home.mkdir()
        person.ok("login", "--invitation", stdin=f"{made['invitation']['token']}\n{PASSWORD}\n")
        return person

    return make


def clone(person: Person, project: Project) -> Path:
    """The app's code in their home, with a remote that leads to it."""
    person.ok("git:clone", "--app", project.app)
    folder = person.home / project.app
    assert (folder / "Procfile").exists()
    return folder


def change(person: Person, folder: Path) -> Result:
    """Commit something and push it."""
    (folder / "note.txt").write_text(person.email)
    person.git(folder, "add", "-A")
    person.git(folder, "commit", "-q", "-m", "a note")
    return person.git(folder, "push", "pushd", "master")


def test_the_first_start_opens_nothing(server: Server) -> None:
    assert stat.S_IMODE((server.data / "admin.token").stat().st_mode) == 0o600
    rows = json.loads(server.ok("users", "--json"))
    operator = next(row for row in rows if row["role"] == "operator")
    assert (operator["has_password"], operator["invitation"]) == (False, None)
    for token in ("", "undefined", "admin"):
        status, answer = server.call("GET", "/apps", token=token)
        assert (status, answer["id"]) == (401, "unauthorized")


def test_a_collaborator_logs_in_pushes_and_loses_it_again(deployed: Project, join: Callable[[], Person]) -> None:
    server, app, ada = deployed.server, deployed.app, join()
    nowhere = ada.pushd("info", "--app", "nowhere")
    assert ada.pushd("info", "--app", app).output.replace(app, "nowhere") == nowhere.output
    assert ada.pushd("git:clone", "--app", app).exit_code != 0

    server.ok("access:add", ada.email, "--app", app)
    folder = clone(ada, deployed)
    pushed = change(ada, folder)
    assert pushed.exit_code == 0, pushed.output
    assert f"by user {ada.email}" in ada.ok("logs", "--app", app, "-n", "200")
    assert ada.email in ada.ok("releases", "--app", app)
    tail = ada.popen("logs", "-t", "-n", "1", "--app", app)
    terminal = ada.popen("run", "--app", app, "echo in; sleep 600")
    assert tail.stdout
    assert terminal.stdout
    assert tail.stdout.readline()
    assert terminal.stdout.readline() == "in\n"

    server.ok("access:remove", ada.email, "--app", app)

    _, told = tail.communicate(timeout=60)
    assert (tail.returncode, "Couldn't find that app." in told) == (1, True)
    _, told = terminal.communicate(timeout=60)
    assert (terminal.returncode, "You have lost access to this app." in told) == (1, True)
    eventually(lambda: "run." not in server.ok("ps", "--app", app), what="the end of what ran there")
    refused = change(ada, folder)
    assert (refused.exit_code, "not found" in refused.output) == (128, True)
    assert ada.pushd("info", "--app", app).output.replace(app, "nowhere") == nowhere.output
    assert deployed.get("/").status == 200


def test_two_people_see_nothing_of_each_others_apps(join: Callable[[], Person]) -> None:
    ada, ben = join(), join()
    mine = f"of-{ada.email.partition('@')[0]}"
    ada.ok("create", mine, "--no-remote")
    ada.ok("config:set", "SECRET=x", "--app", mine)

    assert mine not in ben.ok("apps")
    for args in (("config",), ("logs",), ("config:set", "A=b"), ("destroy", "--confirm", mine), ("run", "env"), ("access",)):
        theirs = ben.pushd(*args, "--app", mine)
        assert (theirs.exit_code, "Couldn't find that app." in theirs.output) == (1, True), args
    assert ben.pushd("users").exit_code == 1
    assert ben.pushd("df").exit_code == 1
    assert ada.ok("config:get", "SECRET", "--app", mine) == "x\n"


def test_a_removed_user_is_out_and_what_was_theirs_has_an_heir(server: Server, join: Callable[[], Person]) -> None:
    ada, ben = join(), join()
    app = f"of-{ada.email.partition('@')[0]}"
    ada.ok("create", app, "--no-remote")

    assert f"owns {app}" in server.pushd("users:remove", ada.email).output
    server.ok("users:remove", ada.email, "--apps-to", ben.email)

    assert ada.pushd("apps").exit_code == 1
    again = ada.pushd("login", "-i", stdin=f"{ada.email}\n{PASSWORD}\n")
    assert (again.exit_code, "does not know that address" in again.output) == (1, True)
    assert app in ben.ok("apps")


def test_a_password_is_changed_lost_and_set_anew(server: Server, join: Callable[[], Person]) -> None:
    ada = join()
    ada.ok("auth:password", stdin=f"{PASSWORD}\nanother horse battery\n")
    assert ada.pushd("login", "-i", stdin=f"{ada.email}\n{PASSWORD}\n").exit_code == 1
    ada.ok("login", "-i", stdin=f"{ada.email}\nanother horse battery\n")

    invited = json.loads(server.ok("users:invite", ada.email, "--end-tokens", "--json"))
    assert ada.pushd("apps").exit_code == 1
    ada.ok("login", "--invitation", stdin=f"{invited['invitation']['token']}\n{PASSWORD}\n")

    assert ada.pushd("users").exit_code == 1
    server.ok("users:admin", ada.email)
    assert ada.email in ada.ok("users")
    server.ok("users:admin", ada.email, "--off")
    assert ada.pushd("users").exit_code == 1


def test_a_deploy_token_pushes_one_app_and_shows_no_config_vars(deployed: Project, tmp_path: Path) -> None:
    server, app = deployed.server, deployed.app
    token = server.ok("authorizations:create", "--short", "--scope", "deploy", "--app", app).strip()
    deployed.commit("by a robot")

    pushed = deployed.git("push", "pushd", "master", check=False, PUSHD_API_KEY=token)

    assert pushed.exit_code == 0, pushed.output
    for args in (
        ("config", "--app", app),
        ("run", "env", "--app", app),
        ("create", "another-one", "--no-remote"),
        ("authorizations",),
    ):
        refused = server.pushd(*args, PUSHD_API_KEY=token)
        assert refused.exit_code == 1, args
        assert "token" in refused.output
    assert server.pushd("builds:create", "--app", app, cwd=deployed.folder, PUSHD_API_KEY=token).exit_code == 0


def test_over_ssh_too_a_collaborator_gets_one_app_and_loses_it_again(
    deployed: Project, join: Callable[[], Person], tmp_path: Path
) -> None:
    server, ada = deployed.server, join()
    ssh = Ssh.introduced(server, tmp_path / "laptop", ada.ok)
    at, url = ("--app", deployed.app), ssh.url(deployed.app)
    assert ssh("auth:whoami").stdout == f"{ada.email}\n"
    assert "Couldn't find that app." in ssh("logs", *at).stderr
    assert "Couldn't find that app." in ssh.git(deployed, "ls-remote", url).output

    server.ok("access:add", ada.email, *at)
    assert ssh.git(deployed, "ls-remote", url).exit_code == 0
    tail = subprocess.Popen(ssh.argv("logs", "-t", "-n", "1", *at), env=ssh.environ, text=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    assert tail.stdout
    assert tail.stdout.readline()

    server.ok("access:remove", ada.email, *at)
    _, told = tail.communicate(timeout=60)
    assert (tail.returncode, "Couldn't find that app." in told) == (1, True)
    assert "Couldn't find that app." in ssh.git(deployed, "push", url, "master:other").output

    server.ok("users:remove", ada.email)
    out = ssh("auth:whoami")
    assert (out.exit_code, "knows none of your keys" in out.stderr) == (255, True)
