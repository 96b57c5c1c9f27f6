"""The service under a real systemd, PID 1 of namespaces of its own: installed, used, restarted, killed, hung, removed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushd.kit.capabilities import NUMBERS
from pushd.rights import USED
from tests.e2e.harness import BIN, Server, eventually
from tests.service.machine import Machine
from tests.service.visitors import Visitors, answered_anew

pytestmark = [pytest.mark.e2e, pytest.mark.long]  # test_played.py is the short one
PUSHD = str(BIN / "pushd")
DROP_IN = """\
[Service]
WatchdogSec=8
Environment=PUSHD_PRIVATE_PORTS=off
StandardOutput=append:/srv/daemon.log
StandardError=append:/srv/daemon.log
"""


@pytest.fixture
def machine(tmp_path: Path, cgroup: Path) -> Iterator[Machine]:
    """One that runs, with an operator's drop-in for a service that is not there yet."""
    machine = Machine(tmp_path / "machine", cgroup)
    machine.boot()
    try:
        (machine.srv / "drop-in").write_text(DROP_IN)
        machine.ok("install", "-D", "/srv/drop-in", "/etc/systemd/system/pushd.service.d/override.conf")
        yield machine
    finally:
        machine.stop()


@pytest.fixture
def server(machine: Machine, tmp_path: Path) -> Server:
    """A user of the service."""
    return Server(machine.srv / "pushd", tmp_path / "home")


def installing(api: int, router: int) -> list[str]:
    addresses = ["--api-listen", f"127.0.0.1:{api}", "--router-listen", f"127.0.0.1:{router}"]
    addresses += ["--ssh-listen", f"127.0.0.1:{_free_ports(1)[0]}"]
    return [PUSHD, "install-service", "--data-dir", "/srv/pushd", *addresses]


def test_from_install_to_uninstall(machine: Machine, server: Server, tmp_path: Path) -> None:
    api, moved, router = _free_ports(3)
    machine.ok(*installing(api, router))
    assert machine.properties("pushd.service", "ActiveState", "SubState", "StatusText") == {
        "ActiveState": "active",
        "SubState": "running",
        "StatusText": f"API at http://127.0.0.1:{api}, visitors at http://127.0.0.1:{router}",
    }
    assert "pushd-router" in machine.ok("getent", "passwd", "64918")

    project = server.project(tmp_path / "app", "steady")  # hardening leaves sandbox, builds, runs and terminals working
    project.deploy()
    page = project.get().body  # tells when its dyno has started
    assert project.ok("run", "echo $DYNO").startswith("run.")
    assert "inside web.1" in project.ok("run:inside", "web.1", "--", "sh", "-c", "echo inside $DYNO; exit 0")
    assert "not a tty" not in _on_a_terminal(server, PUSHD, "run", "--app", "steady", "tty")
    log = (machine.srv / "daemon.log").read_text()
    off = [line for line in log.splitlines() if "protection off" in line and "switched off by the setting" not in line]
    assert [line for line in off if "process limit" not in line and "processor limit" not in line] == []  # no controllers

    bound = machine.ok("sed", "-n", "s/^CapBnd:\\t//p", f"/proc/{_main(machine)}/status")
    assert int(bound, 16) == sum(1 << NUMBERS[name] for name in USED)

    keeper, router_pid = _pids(machine, "pushd-dynos.service/keeper"), _pids(machine, "pushd-dynos.service/pushd-*-router")
    with (
        Visitors(("127.0.0.1", router), "/", host="steady.localhost") as visits,
        Visitors(("127.0.0.1", api), "/-/health", host="localhost", threads=1) as calls,
    ):
        answered_anew(visits, calls)
        before = _main(machine)
        machine.ok("systemctl", "restart", "pushd.service")
        assert _main(machine) != before
        answered_anew(visits, calls)
        assert calls.failed == []
        for number in (signal.SIGKILL, signal.SIGSTOP):
            before = _main(machine)
            machine.ok("systemctl", "kill", "--kill-whom=main", f"--signal={number.name}", "pushd.service")
            eventually(lambda before=before: _main(machine) not in (before, "0"), what=f"a daemon after {number.name}")
            eventually(lambda: _is_active(machine), what="that daemon to be ready")
            answered_anew(visits, calls)
    assert (visits.refused, visits.failed, calls.refused) == ([], [], [])
    assert machine.properties("pushd.service", "NRestarts") == {"NRestarts": "2"}
    assert "Fatal Python error: Aborted" in (machine.srv / "daemon.log").read_text()
    assert len(_pids(machine, "pushd.service")) == 1  # nothing but the daemon is in its group

    machine.ok(*installing(moved, router))  # again, with another address
    assert project.get().body == page
    assert server.api == f"http://127.0.0.1:{moved}"
    assert _pids(machine, "pushd-dynos.service/keeper") == keeper
    assert _pids(machine, "pushd-dynos.service/pushd-*-router") == router_pid

    machine.ok(PUSHD, "uninstall-service", "--delete-data", "--confirm", "/srv/pushd")
    assert not (machine.cgroup / "pushd.slice" / "pushd-dynos.service").exists()
    assert not server.data.exists()
    assert machine.ok("ls", "/etc/systemd/system") == "pushd.service.d\n"
    assert machine.properties("pushd.service", "LoadState") == {"LoadState": "not-found"}
    machine.ok(PUSHD, "uninstall-service")  # once more


def test_one_that_is_killed_is_finished_by_the_next(machine: Machine, server: Server, tmp_path: Path) -> None:
    api, router = _free_ports(2)
    words = installing(api, router)
    for step in ("Writing", "Making", "Enabling"):
        machine.killed_after(step, *words)
    machine.ok(*words)
    server.project(tmp_path / "app", "steady").deploy()

    machine.ok(
        "systemctl", "stop", "pushd-api.socket", "pushd-router.socket", "pushd-ssh.socket", "pushd"
    )  # as docs/operator.md has it
    assert server.get("steady").status == 200
    machine.ok("systemctl", "start", "pushd")
    machine.ok("systemctl", "stop", "pushd-api.socket", "pushd-router.socket", "pushd-ssh.socket")
    machine.ok("systemctl", "kill", "--kill-who=main", "--signal=INT", "pushd")
    eventually(lambda: machine.properties("pushd.service", "ActiveState") == {"ActiveState": "inactive"}, what="the end of all")
    assert server.processes() == []
    machine.ok("systemctl", "start", "pushd-dynos", "pushd-api.socket", "pushd-router.socket", "pushd-ssh.socket", "pushd")
    eventually(lambda: server.get("steady").status == 200, what="the app to be booted again")

    machine.killed_after("Stopping", PUSHD, "uninstall-service")
    machine.ok(PUSHD, "uninstall-service")
    assert machine.ok("ls", "/etc/systemd/system") == "pushd.service.d\n"
    assert server.processes() == []
    assert server.data.exists()


def test_an_edited_unit_is_neither_written_over_nor_removed(machine: Machine) -> None:
    (machine.srv / "unit").write_text("[Service]\nExecStart=/bin/true\n")
    machine.ok("cp", "/srv/unit", "/etc/systemd/system/pushd.service")

    for command in ("install-service", "uninstall-service"):
        refused = machine.run(PUSHD, command)
        assert (refused.exit_code, "nothing was changed" in refused.output) == (1, True)

    assert machine.ok("cat", "/etc/systemd/system/pushd.service") == "[Service]\nExecStart=/bin/true\n"


def test_an_address_that_is_taken_is_told_and_mended_by_the_next_run(machine: Machine) -> None:
    (api,) = _free_ports(1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        router = taken.getsockname()[1]
        refused = machine.run(*installing(api, router))
        assert refused.exit_code == 1
        assert "is an address taken?" in refused.output

    machine.ok(*installing(api, router))
    assert _is_active(machine)


def _on_a_terminal(server: Server, *argv: str) -> str:
    """What a program prints that has a terminal."""
    assert shutil.which("script")
    done = subprocess.run(
        ["script", "--quiet", "--return", "--command", " ".join(argv), os.devnull],
        env=server.client_environ(TERM="xterm"), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.stdout


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _main(machine: Machine) -> str:
    return machine.properties("pushd.service", "MainPID")["MainPID"]


def _is_active(machine: Machine) -> bool:
    return machine.properties("pushd.service", "ActiveState") == {"ActiveState": "active"}


def _pids(machine: Machine, group: str) -> list[int]:
    files = (machine.cgroup / "pushd.slice").glob(f"{group}/cgroup.procs")
    return [int(pid) for file in files for pid in file.read_text().split()]
