"""The unit files: systemd reads them without a complaint, and what must hold of them holds."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pushd.errors import InvalidParams
from pushd.kit.cgroup_tree import CPU, MEMORY, PIDS
from pushd.kit.uids import ROUTER_UID
from pushd.model.resources import check_figure
from tests.service.units import Unit

SHIPPED = Path(__file__).parents[2] / "systemd"
UNITS = sorted(path.name for path in SHIPPED.iterdir() if path.is_file())
MOST_EXPOSED = {"pushd.service": 57, "pushd-dynos.service": 19}  # tenths; systemd itself calls 60 medium, 96 is no care at all


def analyze(*words: str, units: Path) -> tuple[int, str]:
    done = subprocess.run(
        ["systemd-analyze", *words], cwd=units, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def unit(name: str) -> Unit:
    return Unit.read(SHIPPED / name)


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """As they are in the repository, but for the program, which is not installed here."""
    for name in UNITS:
        (tmp_path / name).write_text((SHIPPED / name).read_text().replace("/opt/pushd/bin/pushd", "/bin/true"))
    return tmp_path


def test_systemd_has_nothing_to_complain_about(shipped: Path) -> None:
    assert analyze("verify", "--man=no", *UNITS, units=shipped) == (0, "")


def test_nor_about_those_that_are_installed(units: Path) -> None:
    assert analyze("verify", "--man=no", *UNITS, units=units) == (0, "")


@pytest.mark.parametrize("name", MOST_EXPOSED)
def test_a_unit_is_no_more_exposed_than_it_must_be(shipped: Path, name: str) -> None:
    code, said = analyze("security", "--no-pager", "--offline=true", f"--threshold={MOST_EXPOSED[name]}", name, units=shipped)

    assert code == 0, said


def test_each_socket_has_its_name_and_our_service() -> None:
    sockets = [unit(name) for name in UNITS if name.endswith(".socket")]

    assert {each.get("Socket", "FileDescriptorName"): each.get("Socket", "Service") for each in sockets} == {
        "api": "pushd.service",
        "router": "pushd.service",
        "ssh": "pushd.service",
    }


def test_dynos_are_in_a_group_that_no_restart_of_the_daemon_touches() -> None:
    service, dynos = unit("pushd.service"), unit("pushd-dynos.service")

    group = f"/sys/fs/cgroup/{dynos.get('Service', 'Slice')}/{dynos.name}"
    assert service.environment["PUSHD_DYNO_CGROUP"] == group
    assert dynos.command[-1] == group
    assert dynos.get("Service", "Delegate") == "cpu memory pids"
    assert service.all("Service", "Delegate") == []
    assert not [key for key in ("PartOf", "BindsTo", "Requires") if service.all("Unit", key) or dynos.all("Unit", key)]


def test_what_keeps_that_group_switches_its_controllers_on(tmp_path: Path) -> None:
    """By files: the daemon, which does it at its start, may be older than the group."""
    words = unit("pushd-dynos.service").command[:-1]
    (tmp_path / "sleep").write_text("#!/bin/sh\n")
    (tmp_path / "sleep").chmod(0o755)
    (tmp_path / "cgroup.subtree_control").symlink_to("/dev/stdout")

    done = subprocess.run(
        [*words, str(tmp_path)], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, timeout=60
    )

    assert (tmp_path / "keeper" / "cgroup.procs").read_text() == "0\n"
    assert {word.lstrip("+") for word in done.stdout.split()} == {CPU, MEMORY, PIDS}


def test_a_dyno_can_have_as_many_files_open_as_may_be_set() -> None:
    """The daemon cannot raise what it was given itself: it has no CAP_SYS_RESOURCE."""
    most = unit("pushd.service").get("Service", "LimitNOFILE")
    check_figure("web", "open-files", most)
    with pytest.raises(InvalidParams):
        check_figure("web", "open-files", str(int(most) + 1))


def test_what_the_group_of_the_dynos_bounds_would_bound_each_dyno() -> None:
    by_groups = {"IPAddressDeny", "PrivateDevices", "DeviceAllow", "DevicePolicy", "ProtectClock", "MemoryMax", "MemoryHigh"}

    assert not by_groups & set(unit("pushd-dynos.service").sections["Service"])


def test_the_routers_uid_is_kept_for_it() -> None:
    assert f"u pushd-router {ROUTER_UID} " in (SHIPPED / "sysusers.d" / "pushd.conf").read_text()
