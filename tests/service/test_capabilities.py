"""Root's capabilities: those that the unit leaves to the daemon are enough, each has its reason, a missing one is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pushd.rights import USED
from tests.e2e.harness import BIN, ROOT, Server, run, running
from tests.ordinary import NOBODY, become, ordinary_user
from tests.service.units import Unit

UNIT = ROOT / "systemd" / "pushd.service"
LINE = "CapabilityBoundingSet="
IN_DOCKER = (
    "chown", "dac_override", "fsetid", "fowner", "mknod", "net_raw", "setgid", "setuid", "setfcap", "setpcap",
    "net_bind_service", "sys_chroot", "kill", "audit_write",
)  # fmt: skip
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has capabilities to give up")


def bounded(*names: str) -> tuple[str, ...]:
    """What starts a program of root's with these capabilities and no others, as systemd does."""
    kept = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in names)
    return ("setpriv", f"--bounding-set=-all,{kept}", "--inh-caps=-all", "--")


def in_the_unit() -> list[str]:
    return Unit.read(UNIT).all("Service", LINE.removesuffix("="))


def test_the_unit_names_what_the_daemon_uses_one_by_one() -> None:
    assert in_the_unit() == list(USED)


def test_each_has_a_reason_of_its_own() -> None:
    lines = UNIT.read_text().splitlines()
    reasons = [lines[number - 1] for number, line in enumerate(lines) if line.startswith(LINE)]

    assert all(reason.startswith("# ") for reason in reasons)
    assert len(set(reasons)) == len(USED)


@as_root
@pytest.mark.e2e
@pytest.mark.skipif(not shutil.which("nft"), reason="only root with nftables can")
def test_with_these_and_no_others_a_daemon_does_its_whole_work(tmp_path: Path) -> None:
    script = f'ip link set lo up && exec {sys.executable} -m tests.service.whole_work "$@"'
    done = subprocess.run(
        ["unshare", "-n", "--", "/bin/sh", "-c", script, "sh", str(tmp_path), *bounded(*in_the_unit())],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.endswith("all done\n"), done.stdout + done.stderr


@as_root
@pytest.mark.e2e
def test_with_those_of_a_container_apps_run_and_what_is_off_is_told(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", tmp_path / "home", recorded=False, under=bounded(*IN_DOCKER))
    with running(server):
        project = server.project(tmp_path / "app", "contained")
        project.deploy()
        assert project.get().status == 200
        assert "uid 0" in project.ok("run", "echo uid $(id -u)")
        log = server.daemon_log()
    assert 'protection="own user" why="the daemon runs without CAP_SYS_ADMIN and CAP_SYS_PTRACE"' in log


@as_root
def test_what_is_missing_is_told_with_what_is_off_for_it(tmp_path: Path) -> None:
    lacks = ["CAP_KILL", "CAP_NET_ADMIN"]

    found = checked(tmp_path, *bounded(*(name for name in USED if name not in lacks)))

    assert (found["runs_as"]["uid"], found["runs_as"]["lacks"]) == (0, lacks)
    assert found["runs_as"]["told"] == [
        "root, with 11 of the 13 capabilities that it uses",
        "without CAP_KILL: apps have no users of their own",
        "without CAP_NET_ADMIN: no port of an app is closed to others",
        "Its unit names all of them (CapabilityBoundingSet=); a container is given them with --cap-add.",
    ]
    told = {each["name"]: each["why"] for each in found["protections"] if not each["on"]}
    assert told["own user"] == "the daemon runs without CAP_KILL"
    assert set(told) <= {"own user", "private ports", "process limit"}


@as_root
@pytest.mark.long
@pytest.mark.parametrize("name", USED)
def test_without_one_all_the_others_count(tmp_path: Path, name: str) -> None:
    """What is off without it is off in the trial too, and that the sandbox stays in use is tried, not believed."""
    found = checked(tmp_path, *bounded(*(other for other in USED if other != name)))

    on = {each["name"]: each["on"] for each in found["protections"]}
    assert found["runs_as"]["lacks"] == [name]
    assert on["own user"] == ("no users of their own" not in USED[name])
    assert on["sandbox"] == (name != "CAP_SYS_ADMIN")  # an ordinary user's needs CAP_SETFCAP of root


@as_root
def test_an_ordinary_user_is_told_what_root_would_do_besides() -> None:
    with ordinary_user() as somebody:
        home = somebody.folder / "home"
        check = [str(somebody.python.parent / "pushd"), "serve", "--check", "--json", "--data-dir", str(home / "data")]
        environ = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "TMPDIR": str(somebody.folder / "tmp"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = run([*become(NOBODY), *check], cwd=home, env=environ)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)

    assert found["runs_as"]["uid"] == NOBODY
    assert set(found["runs_as"]["lacks"]) == set(USED)
    said = "\n".join(found["runs_as"]["told"])
    assert "uid 65534, an ordinary user; as root it would also" in said
    assert "run each app as a user of its own" in said
    assert "listen on ports below" in said
    off = {each["name"]: each["why"] for each in found["protections"] if not each["on"]}
    assert off["own user"] == "only root can give apps users of their own"
    assert "private ports" in off


def checked(folder: Path, *under: str) -> dict[str, Any]:
    """What `serve --check` says when it is started so."""
    server = Server(folder / "data", folder / "home")
    done = run([*under, str(BIN / "pushd"), "serve", "--check", "--json", "--data-dir", str(server.data)],
               cwd=folder, env=server.daemon_environ())  # fmt: skip
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found
