"""The service as the unit files have it, with systemd played by them: restarts, kills and hangs while visitors come."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pushd.sandbox.sandbox import owner_of
from tests.e2e.harness import Server, eventually
from tests.service.played import PlayedSystemd, played
from tests.service.visitors import Visitors, answered_anew

pytestmark = pytest.mark.e2e
WATCHDOG_SECONDS = 8.0  # instead of a minute; a daemon on a busy machine is not that late


@pytest.fixture
def systemd(units: Path, cgroup: Path, server: Server, tmp_path: Path) -> Iterator[PlayedSystemd]:
    """Has started the service; nothing is left of it when the test ends."""
    server.data.mkdir()
    log = tmp_path / "data.log"
    with played(units, cgroup, environ=server.daemon_environ(), log=log, watchdog=WATCHDOG_SECONDS) as systemd:
        yield systemd
    assert server.processes() == []


def kill(systemd: PlayedSystemd) -> None:
    systemd.signal(signal.SIGKILL)


def hang(systemd: PlayedSystemd) -> None:
    systemd.signal(signal.SIGSTOP)


def test_nobody_is_refused_while_the_daemon_is_restarted_killed_or_hangs(
    systemd: PlayedSystemd, server: Server, tmp_path: Path
) -> None:
    project = server.project(tmp_path / "app", "steady")
    project.deploy()
    page = project.get().body  # tells when its dyno has started
    keeper = systemd.pids("pushd-dynos.service/keeper")
    router = systemd.pids(f"pushd-dynos.service/{_group(server, 'router')}")
    assert len(router) == 1
    with (
        Visitors(systemd.address("router"), "/", host="steady.localhost") as visits,
        Visitors(systemd.address("api"), "/-/health", host="localhost", threads=1) as calls,
    ):
        answered_anew(visits, calls)
        systemd.restart()
        answered_anew(visits, calls)
        assert calls.failed == []  # who was connected was answered before the old daemon went
        # The thread that writes down where it hung may fall over frames of another one that has gone on meanwhile.
        for way, ends in ((kill, {-signal.SIGKILL}), (hang, {-signal.SIGABRT, -signal.SIGSEGV})):
            _starts_again(systemd, way)
            assert systemd.ends[-1] in ends
            answered_anew(visits, calls)

    assert (visits.refused, visits.failed, calls.refused) == ([], [], [])
    assert systemd.left_behind == [[], [], []]  # each time nothing but the daemon had been in its group
    assert systemd.pids("pushd-dynos.service/keeper") == keeper
    assert systemd.pids(f"pushd-dynos.service/{_group(server, 'router')}") == router
    assert project.get().body == page
    assert "Fatal Python error: Aborted" in (tmp_path / "data.log").read_text()  # the log tells where it hung
    assert systemd.states.count("STOPPING=1") == 1
    assert systemd.states.count("WATCHDOG=1") >= 4


def test_each_dyno_has_a_group_and_none_outlives_its_dyno(
    systemd: PlayedSystemd, server: Server, cgroup: Path, tmp_path: Path
) -> None:
    project = server.project(tmp_path / "app", "grouped")
    project.deploy()
    project.ok("ps:scale", "worker=1")

    groups = cgroup / "pushd.slice" / "pushd-dynos.service"
    eventually(lambda: [bool(_pids(groups / name)) for name in _dynos(groups)] == [True, True], what="two groups with dynos")
    assert len(_pids(groups / _group(server, "shims"))) == 2

    project.ok("ps:scale", "worker=0")
    eventually(lambda: len(_dynos(groups)) == 1, what="the group of the worker to go")
    systemd.signal(signal.SIGINT)

    eventually(lambda: systemd.ends == [0], what="the daemon to end")
    assert _dynos(groups) == []
    assert systemd.pids("pushd-dynos.service") == systemd.pids("pushd-dynos.service/keeper")
    assert systemd.starts == 1  # whoever ends the apps too means it


def test_settings_that_cannot_be_used_are_not_tried_again(systemd: PlayedSystemd) -> None:
    systemd.environ["PUSHD_DOMAIN"] = "two words"

    systemd.signal(signal.SIGKILL)

    eventually(lambda: systemd.ends == [-signal.SIGKILL, 2], what="the next daemon to refuse its settings")
    assert systemd.starts == 2


def test_a_listener_that_fails_ends_the_daemon_and_the_next_one_listens(systemd: PlayedSystemd, server: Server) -> None:
    router = systemd.pids(f"pushd-dynos.service/{_group(server, 'router')}")

    systemd.break_socket("api")

    eventually(lambda: systemd.ends, what="the daemon to end")
    systemd.mend_socket("api")
    eventually(lambda: systemd.ready == 2, what="the next daemon to be ready")
    assert set(systemd.ends) == {1}
    assert server.call("GET", "/apps") == (200, [])
    assert systemd.pids(f"pushd-dynos.service/{_group(server, 'router')}") == router


def _starts_again(systemd: PlayedSystemd, way: Callable[[PlayedSystemd], None]) -> None:
    before = systemd.ready
    way(systemd)
    eventually(lambda: systemd.ready > before, what="the next daemon to be ready")


def _dynos(groups: Path) -> list[str]:
    ours = (each.name for each in groups.iterdir() if each.is_dir() and each.name != "keeper")
    return sorted(name for name in ours if not name.endswith(("-router", "-shims")))


def _group(server: Server, name: str) -> str:
    return f"{owner_of(server.data)}-{name}"


def _pids(group: Path) -> list[int]:
    return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
