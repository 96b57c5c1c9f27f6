"""The whole product in a network of its own, where it may make rules: a dyno's PORT is its app's, daemon or not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.harness import ROOT

CODE = """if 1:
    import os, re, shutil, signal, subprocess, sys
    from pathlib import Path
    from tests.e2e.harness import Server, eventually, running

    folder = Path(sys.argv[1])
    TRY = "import socket; socket.create_connection(('127.0.0.1', {port}), timeout=20)"

    def tables():
        return subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout.split()[2::3]

    def from_app(project, port):
        command = f'python3 -c "{TRY.format(port=port)}" 2>/dev/null && echo reached || echo refused'
        return "reached" in project.ok("run", command)

    def from_machine(uid, port):
        become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        command = [*become, "/usr/bin/python3", "-c", TRY.format(port=port)]
        return subprocess.run(command, capture_output=True, cwd="/").returncode == 0

    server = Server(folder / "data", folder / "home", environ={"PUSHD_PRIVATE_PORTS": "auto"}, recorded=False)
    with running(server):
        ours, theirs = (server.project(folder / name, name) for name in ("ours", "theirs"))
        ours.deploy()
        theirs.deploy()
        port = int(eventually(lambda: re.search(r"listens on (\\d+)", ours.ok("logs")), what="its port in its log")[1])
        assert (from_app(ours, port), from_app(theirs, port), from_machine(1000, port), from_machine(0, port)) == (1, 0, 0, 1)
        server.stop(signal.SIGKILL)
        assert (from_machine(1000, port), from_machine(0, port)) == (0, 1)
        assert ours.get().status == 200
        server.start()
        assert (from_app(ours, port), from_app(theirs, port), from_machine(1000, port)) == (1, 0, 0)
        ours.ok("ps:restart")
        assert eventually(lambda: not from_machine(0, port), what="the old dyno's end")
        eventually(lambda: ours.get().status == 200, what="the new dyno")
        assert len(tables()) == 1
    assert tables() == []

    gone, other = (Server(folder / name, folder / "home", environ=server.environ, recorded=False) for name in ("gone", "other"))
    gone.start()
    gone.stop(signal.SIGKILL)
    (left,) = tables()
    with running(other):
        assert len(tables()) == 2  # the folder is there: its dynos may be, too
    shutil.rmtree(gone.data)
    for pid in gone.processes():  # its router
        os.kill(pid, signal.SIGKILL)
    with running(other):
        assert len(tables()) == 1 and left not in tables()
    assert tables() == []
    print("all held")"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="only root with nftables can")
def test_a_port_is_its_apps_with_the_daemon_without_it_and_after_it(tmp_path: Path) -> None:
    script = f'ip link set lo up && exec {sys.executable} -c "$@"'
    done = subprocess.run(
        ["unshare", "-n", "--", "/bin/sh", "-c", script, "sh", CODE, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.endswith("all held\n"), done.stdout + done.stderr
