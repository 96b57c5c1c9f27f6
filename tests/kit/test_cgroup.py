"""Groups of real processes in a real cgroup tree."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushd.kit.cgroup import Groups

# Leaves its session, its parent and its environment; says so once it is there.
ESCAPE = "setsid env -i sleep 1000 & setsid env -i /bin/sh -c 'echo escaped; exec sleep 1000' & wait"


@pytest.fixture
def groups(cgroup: Path) -> Groups:
    return Groups.below(cgroup)


@pytest.fixture
def escaped(groups: Groups) -> Iterator[subprocess.Popen[str]]:
    """A program in the group `web` that has started what only the group tells."""
    with subprocess.Popen([*groups.enter("web"), "/bin/sh", "-c", ESCAPE], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "escaped\n"
        yield program
        groups.kill("web")


def test_who_is_started_in_a_group_stays_there_with_all_that_it_starts(groups: Groups, cgroup: Path) -> None:
    done = subprocess.run([*groups.enter("web"), "cat", "/proc/self/cgroup"], capture_output=True, text=True, check=True)

    assert f"/{cgroup.name}/web\n" in done.stdout
    assert groups.pids("web") == []


def test_the_pid_stays_the_same(groups: Groups) -> None:
    with subprocess.Popen([*groups.enter("web"), "/bin/sh", "-c", "echo $$"], stdout=subprocess.PIPE, text=True) as program:
        assert program.communicate()[0] == f"{program.pid}\n"


def test_kill_reaches_those_who_left_session_parent_and_environment(groups: Groups, escaped: subprocess.Popen[str]) -> None:
    assert len(groups.pids("web")) == 3

    assert groups.kill("web")

    assert groups.pids("web") == []
    assert escaped.wait(30) == -9


def test_a_removed_group_is_gone_with_those_below_it(groups: Groups, escaped: subprocess.Popen[str], cgroup: Path) -> None:
    (cgroup / "web" / "own").mkdir()
    (cgroup / "web" / "own" / "cgroup.procs").write_text(str(escaped.pid))

    groups.remove("web")
    groups.remove("web")

    assert not (cgroup / "web").exists()
    assert escaped.wait(30) == -9


def test_the_sweep_takes_what_nobody_keeps(groups: Groups, escaped: subprocess.Popen[str], cgroup: Path) -> None:
    groups.enter("router")

    groups.sweep({"web"})
    assert [entry.name for entry in cgroup.iterdir() if entry.is_dir()] == ["web"]
    assert len(groups.pids("web")) == 3

    groups.sweep(set())
    assert escaped.wait(30) == -9


def test_who_was_left_the_same_tree_is_left_alone(escaped: subprocess.Popen[str], cgroup: Path) -> None:
    ours, theirs = Groups.below(cgroup, owner="ours"), Groups.below(cgroup, owner="theirs")
    with subprocess.Popen(
        [*theirs.enter("web"), "/bin/sh", "-c", "echo in; exec sleep 1000"], stdout=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"in\n"
        ours.enter("web")
        ours.enter("router")

        ours.sweep({"router"})

        assert sorted(entry.name for entry in cgroup.iterdir() if entry.is_dir()) == ["ours-router", "theirs-web", "web"]
        assert theirs.pids("web") == [program.pid]
        assert ours.pids("web") == []
        assert escaped.poll() is None
        theirs.sweep(set())
        assert program.wait(30) == -9


def test_a_group_that_went_meanwhile_keeps_nobody_from_running(groups: Groups, cgroup: Path) -> None:
    entry = groups.enter("web")
    (cgroup / "web").rmdir()

    done = subprocess.run([*entry, "echo", "runs"], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("runs\n", "")


@pytest.mark.parametrize("folder", [None, Path("/nowhere"), Path("/tmp")])
def test_without_a_tree_there_are_no_groups(folder: Path | None) -> None:
    groups = Groups.below(folder)

    assert not groups.are_there
    assert groups.enter("web") == ()
    assert groups.pids("web") == []
    assert groups.kill("web")
    groups.remove("web")
    groups.sweep(set())


def test_a_tree_that_goes_while_we_run_is_no_failure(cgroup: Path) -> None:
    (cgroup / "ours").mkdir()
    groups = Groups.below(cgroup / "ours")
    os.rmdir(cgroup / "ours")

    assert groups.enter("web") == ()
    assert groups.kill("web")
    groups.sweep(set())
