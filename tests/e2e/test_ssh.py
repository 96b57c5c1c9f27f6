"""Over SSH with the real OpenSSH and the real git: pushes, clones, and the client's own commands."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from pushd.kit.terminal import resize
from tests.e2e.harness import PATIENCE_SECONDS, Project, Result, Server, eventually, read_until, run, running


@dataclass
class Ssh:
    """A user's machine: a home with a key that the server knows, and no other settings."""

    server: Server
    home: Path

    @classmethod
    def introduced(cls, server: Server, home: Path, pushd: Callable[..., object] | None = None) -> Ssh:
        """Make a key, and let the server know it by this person's client, or the operator's.

        The server's host key is taken as it is the first time, and never another.
        """
        home.mkdir()
        (home / ".ssh").mkdir(mode=0o700)
        key = home / ".ssh" / "id_ed25519"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", home.parent.name, "-f", str(key)], check=True)
        (pushd or server.ok)("keys:add", f"{key}.pub")
        return cls(server, home)

    @property
    def port(self) -> str:
        return str(self.server.endpoints["ssh"]).rpartition(":")[2]

    @property
    def command(self) -> list[str]:
        files = {"IdentityFile": "id_ed25519", "UserKnownHostsFile": "known_hosts"}
        named = [f"-o{option}={self.home / '.ssh' / name}" for option, name in files.items()]
        return ["ssh", "-F", "/dev/null", *named, "-oIdentityAgent=none", "-oStrictHostKeyChecking=accept-new"]

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home)}

    def argv(self, *words: str, options: tuple[str, ...] = ()) -> list[str]:
        return [*self.command, "-p", self.port, *options, "somebody@127.0.0.1", *words]

    def __call__(self, *words: str, stdin: str = "", options: tuple[str, ...] = ()) -> Result:
        return run(self.argv(*words, options=options), cwd=self.home, env=self.environ, stdin=stdin)

    def url(self, app: str) -> str:
        return f"ssh://git@127.0.0.1:{self.port}/{app}.git"

    def git(self, project: Project, *words: str) -> Result:
        return project.git(*words, check=False, GIT_SSH_COMMAND=" ".join(self.command))


@pytest.fixture
def ssh(server: Server, tmp_path: Path) -> Iterator[Ssh]:
    ssh = Ssh.introduced(server, tmp_path / "laptop")
    yield ssh
    server.ok("keys:remove", tmp_path.name)


def test_a_push_over_ssh_becomes_a_live_page_and_comes_back_by_a_clone(project: Project, ssh: Ssh) -> None:
    pushed = ssh.git(project, "push", ssh.url(project.app), "master")
    assert pushed.exit_code == 0, pushed.output
    assert "remote: -----> Python app detected" in pushed.output
    assert project.get().body.startswith("version one")
    assert "Deploy" in project.ok("releases")

    clone = project.folder.parent / "clone"
    assert ssh.git(project, "clone", "-q", ssh.url(project.app), str(clone)).exit_code == 0
    assert (clone / "app.py").read_text() == (project.folder / "app.py").read_text()
    stored = project.commit("stored only")
    assert ssh.git(project, "push", "-o", "no-deploy", ssh.url(project.app), "master").exit_code == 0
    project.git("-C", str(clone), "fetch", "-q", GIT_SSH_COMMAND=" ".join(ssh.command))
    assert project.git("-C", str(clone), "rev-parse", "origin/master").stdout.strip() == stored

    project.write("Procfile", "web python app.py\n")
    project.commit("bad Procfile")
    refused = ssh.git(project, "push", ssh.url(project.app), "master")
    assert refused.exit_code == 1
    assert "! [remote rejected] master -> master (bad Procfile)" in refused.output
    assert project.get().body.startswith("version one")

    stranger = ssh.git(project, "push", ssh.url("not-there"), "master")
    assert stranger.exit_code == 128
    assert "Couldn't find that app." in stranger.output


def test_the_clients_commands(deployed: Project, ssh: Ssh) -> None:
    at = ("--app", deployed.app)

    assert ssh("config:set", "'A=b c'", *at).exit_code == 0
    assert ssh("config", "-s", *at).stdout == deployed.ok("config", "-s")
    assert deployed.get("/env/A").body == "b c"
    assert "web.1: up" in ssh("ps", *at).stdout
    assert ssh("run", *at, "--", "'cat; exit 7'", stdin="piped") == Result(7, "piped", ssh_said_up(deployed))
    assert ssh("logs", "--app", "not-there").exit_code == 1
    assert "is not for SSH" in ssh("auth:token").stderr
    assert "The scope of your token" not in ssh("access", *at).output


def test_the_audit_trail_says_where_the_client_of_ssh_is(deployed: Project, ssh: Ssh) -> None:
    """Of commands, which ask the API on this machine, as of pushes; nobody else can say where they come from."""
    elsewhere, at = ("-b", "127.0.0.77"), ("--app", deployed.app)
    assert ssh("config:set", "A=b", *at, options=elsewhere).exit_code == 0
    deployed.commit("again")
    by_ssh = " ".join([*ssh.command, *elsewhere])
    pushed = deployed.git("push", ssh.url(deployed.app), "master", GIT_SSH_COMMAND=by_ssh)
    assert pushed.exit_code == 0
    claimed = {"X-Forwarded-For": "127.0.0.77", "Forwarded": "for=127.0.0.77", "X-Real-IP": "127.0.0.77"}
    status, _ = deployed.server.call("PATCH", f"/apps/{deployed.app}/config-vars", {"A": "c"}, **claimed)
    assert status == 200

    command, push, claim = deployed.ok("audit", *at).splitlines()[-3:]

    assert all("(SSH key SHA256:" in line and ", 127.0.0.77): " in line for line in (command, push))
    assert ("config-vars" in command, "push" in push) == (True, True)
    assert ", 127.0.0.1): " in claim
    assert "127.0.0.77" not in claim


def ssh_said_up(project: Project) -> object:
    """Whatever is told of a run beside its output."""

    class Says(str):
        def __eq__(self, other: object) -> bool:
            return isinstance(other, str) and project.app in other and "... up, run." in other

        __hash__ = str.__hash__

    return Says()


def test_a_terminal_of_ones_own(deployed: Project, ssh: Ssh) -> None:
    ours, theirs = pty.openpty()
    resize(ours, 91, 31)
    line = "'stty size; echo $TERM; read x; stty size; exit 5'"
    process = subprocess.Popen(
        ssh.argv("run", "--app", deployed.app, "--", line, options=("-t",)),
        stdin=theirs, stdout=theirs, stderr=theirs, env={**ssh.environ, "TERM": "vt100"}, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        seen = _read_until(ours, b"vt100\r\n")
        assert b"31 91\r\n" in seen
        resize(ours, 120, 40)
        os.killpg(process.pid, signal.SIGWINCH)
        os.write(ours, b"x\r")
        assert b"40 120\r\n" in _read_until(ours, b"40 120\r\n")
        assert process.wait(PATIENCE_SECONDS) == 5
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read_until(terminal: int, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        readable, _, _ = select.select([terminal], [], [], PATIENCE_SECONDS)
        assert readable, seen
        seen += os.read(terminal, 65536)
    return seen


def test_a_tail_shows_what_comes_and_ends_with_its_client(deployed: Project, ssh: Ssh) -> None:
    tail = subprocess.Popen(
        ssh.argv("logs", "-t", "--app", deployed.app), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env=ssh.environ, start_new_session=True,
    )  # fmt: skip
    try:
        assert read_until(tail.stdout, "up")
        deployed.get("/never-asked-before")
        assert read_until(tail.stdout, "/never-asked-before")
        assert _programs(deployed.server)
    finally:
        tail.kill()
        tail.communicate()
    eventually(lambda: not _programs(deployed.server), what="the end of the command")


def test_a_command_has_a_user_of_its_own_who_reads_nothing_of_the_daemons(deployed: Project, ssh: Ssh) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has uids to give")
    data = deployed.server.data
    tail = subprocess.Popen(
        ssh.argv("logs", "-t", "--app", deployed.app), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env=ssh.environ, start_new_session=True,
    )  # fmt: skip
    try:
        assert read_until(tail.stdout, "up")
        users = {(path := Path("/proc", str(pid))).stat().st_uid: path for pid in _programs(deployed.server)}
        (uid,) = users.keys() - {0}  # root's are the links of the chain outside of the sandbox
        inside = users[uid]
        assert not (inside / "root" / data.relative_to("/") / "secret.key").exists()
        assert (inside / "root" / "usr").is_dir()
    finally:
        tail.kill()
        tail.communicate()
    assert f"uid {uid} " not in deployed.ok("run", "echo uid $(id -u) .")  # nor is it the app's
    become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"]
    for name in ("secret.key", "pushd.sqlite3", "admin.token", "ssh_host_key"):
        assert (data / name).exists()
        read = run([*become, "/bin/cat", name], cwd=data, env=ssh.environ)  # if it got out of its sandbox
        assert (read.exit_code, read.stdout) == (1, "")
        assert "Permission denied" in read.stderr


def _programs(server: Server) -> list[int]:
    """What this server runs for SSH."""
    assert server.process is not None
    found = []
    for each in psutil.Process(server.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            found += [each.pid] if "pushd.cli.over_ssh" in each.cmdline() else []
    return found


def test_a_restart_keeps_port_and_host_key_and_tells_who_was_pushing(own_server: Server, tmp_path: Path) -> None:
    ssh = Ssh.introduced(own_server, tmp_path / "laptop")
    project = own_server.project(tmp_path / "app", "app")
    project.write("bin/post_compile", "#!/bin/sh\necho the hook is here\nexec sleep 600\n")
    (project.folder / "bin" / "post_compile").chmod(0o755)
    project.commit("a build that takes its time")
    port, key = ssh.port, (own_server.data / "ssh_host_key").read_bytes()
    push = subprocess.Popen(
        ["git", "push", ssh.url("app"), "master"], cwd=project.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=own_server.client_environ(GIT_SSH_COMMAND=" ".join(ssh.command)),
    )  # fmt: skip
    read_until(push.stderr, "the hook is here")

    told: list[str] = []
    reading = threading.Thread(target=lambda: told.append(push.communicate()[1]))
    reading.start()
    own_server.stop(signal.SIGTERM)
    reading.join()
    own_server.start()

    assert push.returncode == 1
    assert "push again" in told[0]
    assert (ssh.port, (own_server.data / "ssh_host_key").read_bytes()) == (port, key)
    assert (own_server.data / "ssh_host_key").stat().st_mode & 0o777 == 0o600
    assert ssh("auth:whoami", options=("-oStrictHostKeyChecking=yes",)).stdout == own_server.ok("auth:whoami")


def test_check_shows_the_fingerprint_that_clients_ask_about(server: Server, ssh: Ssh) -> None:
    asked = ssh("auth:whoami", options=("-oFingerprintHash=sha256", "-v"))
    shown = server.ok("serve", "--check", "--data-dir", str(server.data)).splitlines()[-1]

    fingerprint = shown.rpartition(" ")[2]
    assert fingerprint.startswith("SHA256:")
    assert f"Server host key: ssh-ed25519 {fingerprint}" in asked.stderr


def test_without_an_address_there_is_no_ssh(tmp_path: Path) -> None:
    with running(Server(tmp_path / "data", tmp_path / "home"), "--ssh-listen", "") as server:
        assert server.endpoints["ssh"] is None
        assert " ssh=" not in server.ready
