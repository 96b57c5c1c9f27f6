"""All that a daemon does, one thing after the other, in a network where it may make rules.

`python -m tests.service.whole_work FOLDER UNDER...`: `UNDER` is what the daemon is started by. Ends with a failed assertion at
the first thing that does not work.
"""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.e2e.harness import BIN, Project, Server, eventually, running
from tests.e2e.test_ssh import Ssh

LAYER = (  # in /app, which is a layer over the slug
    "touch made && rm app.py && mv Procfile moved && chmod 700 worker.py && echo x >>requirements.txt && mkdir -m 2775 d"
    " && touch -d @5 worker.py && stat -c 'mode %a' d && echo layered by $(id -u)"
)
STORAGE = "mkdir -m 700 /storage/a && echo kept >/storage/a/b && chmod 000 /storage/a/b && echo stored"
REACH = "python3 -c \"import socket; socket.create_connection(('127.0.0.1', {port}), timeout=20)\" 2>/dev/null && echo is open"
ONE_OFF, BUILD = "sleep 54322", "sleep 54323"


def main(folder: Path, *under: str) -> None:
    environ = {"PUSHD_PRIVATE_PORTS": "auto"}
    flags = ("--router-listen", "127.0.0.1:80")
    server = Server(folder / "data", folder / "home", environ=environ, flags=flags, recorded=False, under=under)
    with running(server):
        assert "protection off" not in server.daemon_log()
        ours, theirs = (server.project(folder / name, name) for name in ("ours", "theirs"))
        for project in (ours, theirs):
            project.deploy()
            assert project.get().body.startswith("version one")
        users = runs(ours, theirs)
        assert len(users) == 2
        assert "0" not in users
        ports(ours, theirs)
        ssh(server, ours, folder / "laptop")
        again(ours)
        leftovers(server, ours)
        assert "level=error" not in server.daemon_log()
        server.ok("apps:destroy", "--app", "ours", "--confirm", "ours")
        eventually(lambda: len(list((server.data / "storage").iterdir())) == 1, what="its storage to be gone")
    assert subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout == ""
    print("all done")


def runs(*projects: Project) -> set[str]:
    """One-off dynos, a program in a running one; gives the users that apps are."""
    users = set()
    for project in projects:
        found = re.search(r"mode 2775\nlayered by (\d+)", project.ok("run", LAYER))
        assert found
        users.add(found[1])
        assert "stored" in project.ok("run", STORAGE)
        assert f"inside by {found[1]}" in project.ok("run:inside", "web.1", "echo inside by $(id -u)")
    return users


def ports(ours: Project, theirs: Project) -> None:
    """Private to their app."""
    found = eventually(lambda: re.search(r"listens on (\d+)", ours.ok("logs")), what="its port in its log")
    command = f"{REACH.format(port=found[1])} || echo is closed"
    assert "is open" in ours.ok("run", command)
    assert "is closed" in theirs.ok("run", command)


def ssh(server: Server, project: Project, home: Path) -> None:
    """Commands, and a push."""
    client = Ssh.introduced(server, home)
    assert "web.1" in client("ps", "--app", project.app).stdout
    assert "said there" in client("run", "--app", project.app, "echo", "said there").output
    project.commit("over ssh")
    pushed = client.git(project, "push", client.url(project.app), "master")
    assert pushed.exit_code == 0, pushed.output


def again(project: Project) -> None:
    """What changes something that runs: the old one is told to end, and says goodbye."""
    project.commit("again")
    project.deploy()
    project.ok("rollback", "v2")
    project.ok("config:set", "SAID=so")
    assert project.get("/env/SAID").body == "so"
    project.ok("ps:restart")
    eventually(lambda: project.ok("logs", "-n", "500").count("tiny says goodbye") >= 4, what="the old dynos to end as told")


def leftovers(server: Server, project: Project) -> None:
    """A daemon that is killed while it builds and runs: the next one goes on with the page, and ends the rest."""
    script = project.folder / "bin" / "pre_compile"
    project.write("bin/pre_compile", f"#!/bin/sh\n{BUILD}\n")
    script.chmod(0o755)
    project.commit("endless")
    command = [str(BIN / "pushd"), "run", "--app", project.app, ONE_OFF]
    null = subprocess.DEVNULL
    with subprocess.Popen(command, env=server.client_environ(), stdin=null, stdout=null, stderr=null) as one_off:
        with project.popen_push() as push:
            eventually(lambda: _runs(ONE_OFF) and _runs(BUILD), what="a one-off dyno and a build")
            before = project.get().body
            server.stop(signal.SIGKILL)
            push.communicate()
        one_off.kill()
    server.start()
    assert project.get().body == before
    eventually(lambda: not _runs(ONE_OFF) and not _runs(BUILD), what="the end of what was left")


def _runs(command: str) -> bool:
    words = b"".join(word.encode() + b"\0" for word in command.split())
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            if path.read_bytes() == words:
                return True
    return False


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
