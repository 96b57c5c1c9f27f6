"""From another machine: trust the server once, log in, push. An empty home folder and 127.0.0.2 play that machine."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, FIXTURE_APPS, Result, Server, run, running
from tests.pki import issue

ASK = (
    "import socket, sys; it = socket.create_connection((sys.argv[2], 5000), source_address=(sys.argv[1], 0));"
    "it.sendall(b'GET /-/health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); print(it.recv(99).splitlines()[0].decode())"
)


class Laptop:
    """Somebody's other machine: nothing of the server's is known there."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir()

    @property
    def environ(self) -> Mapping[str, str]:
        who = {f"GIT_{role}_{what}": "ada@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        return {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(self.home), "GIT_CONFIG_SYSTEM": "/dev/null",
                "GIT_TERMINAL_PROMPT": "0", **who}  # fmt: skip

    def run(self, *argv: str, stdin: str = "") -> Result:
        return run(list(argv), cwd=self.home, env=self.environ, stdin=stdin)

    def ok(self, *argv: str, stdin: str = "") -> str:
        result = self.run(*argv, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def on_a_terminal(self, *argv: str, answers: Mapping[str, str]) -> tuple[int, str]:
        """Exit code and all that was shown; an answer is typed once its question stands there."""
        ours, theirs = pty.openpty()
        with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, cwd=self.home, env=self.environ) as program:
            os.close(theirs)
            shown, waiting = "", list(answers.items())
            try:
                while data := os.read(ours, 4096):
                    shown += data.decode()
                    if waiting and waiting[0][0] in shown:
                        os.write(ours, f"{waiting.pop(0)[1]}\n".encode())
            except OSError:  # EIO: it has ended
                pass
            code = program.wait()
        os.close(ours)
        return code, shown


@pytest.fixture
def distant(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", tmp_path / "home", flags=("--api-listen", "127.0.0.2:0"))
    with running(server) as started:
        yield started


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path / "laptop")


def url_of(server: Server) -> str:
    return server.api.replace("http://", "https://")


def fingerprint_of(server: Server) -> str:
    """As the operator sees it on the server."""
    shown = server.ok("serve", "--check", "--data-dir", str(server.data))
    (found,) = re.findall(r"CA of the API port: ([0-9A-F:]{95})", shown)
    openssl = run(["openssl", "x509", "-in", str(server.data / "tls" / "ca.pem"), "-noout", "-fingerprint", "-sha256"],
                  cwd=server.home, env={"PATH": os.environ["PATH"]})  # fmt: skip
    assert found in openssl.stdout
    assert found in server.daemon_log()
    return str(found)


def test_login_trusts_once_and_then_git_pushes(distant: Server, laptop: Laptop) -> None:
    url = url_of(distant)

    code, shown = laptop.on_a_terminal("pushd", "login", url, answers={"from now on": "y", "Token for": distant.token})

    assert code == 0, shown
    assert fingerprint_of(distant) in shown
    assert f"Logged in to {url} as admin@localhost" in shown
    assert distant.token not in shown
    laptop.ok("pushd", "create", "far", "--host", url)
    shutil.copytree(FIXTURE_APPS / "tiny", laptop.home / "far")
    for words in (
        ["init", "-q", "-b", "master"],
        ["add", "-A"],
        ["commit", "-qm", "first"],
        ["remote", "add", "myserver", f"{url}/far.git"],
    ):
        laptop.ok("git", "-C", "far", *words)
    pushed = laptop.run("git", "-C", "far", "push", "myserver", "master")
    assert pushed.exit_code == 0, pushed.output
    trail = distant.ok("audit", "--app", "far").splitlines()
    assert "(token admin.token (" in trail[-1]
    assert "127.0.0.2" in trail[-1] or "127.0.0.1" in trail[-1]
    assert trail[-1].endswith(
        "git push of far refs/heads/master=0000000->" + laptop.ok("git", "-C", "far", "rev-parse", "HEAD")[:7]
    )
    assert distant.get("far").body.startswith("version one")
    assert laptop.ok("pushd", "run", "--app", "far", "--host", url, "echo by TLS") == "by TLS\n"
    assert laptop.run("pushd", "login", url, stdin=f"{distant.token}\n").exit_code == 0  # nothing is asked again


def test_without_a_terminal_the_fingerprint_must_be_named(distant: Server, laptop: Laptop) -> None:
    url, right = url_of(distant), fingerprint_of(distant)
    wrong = right.replace("A", "B").replace("1", "2")

    unasked = laptop.run("pushd", "login", url, stdin=f"{distant.token}\n")
    refused = laptop.run("pushd", "login", url, "--fingerprint", wrong, stdin=f"{distant.token}\n")

    assert unasked.exit_code == refused.exit_code == 1
    assert f"--fingerprint {right}" in unasked.stderr
    assert "has another CA" in refused.stderr
    assert [path.name for path in laptop.home.rglob("*") if path.is_file()] == []
    laptop.ok("pushd", "login", url, "--fingerprint", f"SHA256={right.lower()}", stdin=f"{distant.token}\n")
    assert laptop.ok("pushd", "whoami", "--host", url) == "admin@localhost\n"


def test_a_person_who_says_no_keeps_nothing(distant: Server, laptop: Laptop) -> None:
    code, shown = laptop.on_a_terminal("pushd", "login", url_of(distant), answers={"from now on": "n"})

    assert code == 1
    assert "Not logged in" in shown
    assert [path.name for path in laptop.home.rglob("*") if path.is_file()] == []


def test_of_a_certificate_that_was_given_both_see_the_same_fingerprint(tmp_path: Path, laptop: Laptop) -> None:
    own = issue("localhost")
    (tmp_path / "own.pem").write_text(own.pem)
    (tmp_path / "own.key").write_text(own.key_pem)
    flags = ("--api-certificate", str(tmp_path / "own.pem"), "--api-private-key", str(tmp_path / "own.key"))
    with running(Server(tmp_path / "data", tmp_path / "home", flags=("--api-listen", "127.0.0.2:0", *flags))) as server:
        refused = laptop.run("pushd", "login", url_of(server), stdin=f"{server.token}\n")
        (shown,) = re.findall(r"--fingerprint ([0-9A-F:]{95})", refused.output)

        assert f"CA of the API port: {shown} " in server.ok("serve", "--check", "--data-dir", str(server.data), *flags)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a network of its own")
@pytest.mark.parametrize(("setting", "answered"), [("here", "403 Forbidden"), ("everywhere", "200 OK")])
def test_clear_text_is_for_this_machine_unless_told_otherwise(tmp_path: Path, setting: str, answered: str) -> None:
    script = f"""
ip link set lo up && ip addr add 192.0.2.7/32 dev lo && ip addr add 192.0.2.8/32 dev lo || exit 9
coproc daemon {{ exec pushd serve --config /dev/null --data-dir {tmp_path}/data --api-listen 0.0.0.0:5000 \
  --router-listen 127.0.0.1:0 --ssh-listen 127.0.0.1:0 --api-clear-text {setting} 2>{tmp_path}/log; }}
process=$daemon_PID; read -r ready <&${{daemon[0]}}
python3 -c "{ASK}" 127.0.0.1 127.0.0.1; python3 -c "{ASK}" 192.0.2.7 192.0.2.7; python3 -c "{ASK}" 192.0.2.8 192.0.2.7
kill -INT $process; wait $process
"""
    environ = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path), "PUSHD_DATA_DIR": str(tmp_path / "data")}

    done = run(["unshare", "--net", "bash", "-c", script], cwd=tmp_path, env=environ)

    answers = done.stdout.splitlines()
    assert answers[:2] == ["HTTP/1.1 200 OK"] * 2, done.output + (tmp_path / "log").read_text()
    assert answers[2] == f"HTTP/1.1 {answered}"
