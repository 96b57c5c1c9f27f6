"""Groups of real processes: in a piece of a real tree of version 2, and where this machine lets us make some."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from pushd.kit import proc, procfs
from pushd.kit.cgroup import Bound, Group, Groups
from pushd.kit.cgroup_tree import CPU, MEMBERS, MEMORY, PIDS, find_parents

# Leaves its session, its parent and its environment; says so once it is there. Whoever is killed after the others must not
# have ended by itself meanwhile.
ESCAPE = "setsid env -i sleep 1000 & setsid env -i /bin/sh -c 'echo escaped; exec sleep 1000' & wait; exec sleep 1000"
ENV = {"PATH": "/usr/bin:/bin"}
PYTHON = "/usr/bin/python3"


@pytest.fixture(params=["in a tree", "where we may"])
def groups(request: pytest.FixtureRequest) -> Iterator[Groups]:
    owner = f"pushd-test-{uuid4().hex[:8]}"
    if request.param == "in a tree":
        tree = request.getfixturevalue("cgroup")
        yield Groups({MEMBERS: tree}, owner)
        return
    found = Groups.find(owner)
    if not found.are_there:
        pytest.skip("no control groups here")
    yield found
    assert found.names() == []


@pytest.fixture
def group(groups: Groups) -> Iterator[Group]:
    found = groups.maybe_make("web", Bound(tasks=100))
    assert found is not None
    yield found
    assert found.remove()


@pytest.fixture
def escaped(group: Group) -> Iterator[subprocess.Popen[str]]:
    """A program in the group that has started what only the group tells."""
    with subprocess.Popen([*group.enter(), "/bin/sh", "-c", ESCAPE], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "escaped\n"
        yield program
        group.kill()


def test_who_is_started_in_a_group_stays_there_with_all_that_it_starts(group: Group) -> None:
    done = subprocess.run([*group.enter(), "cat", "/proc/self/cgroup"], capture_output=True, text=True, check=True)

    for folder in group.folders.values():
        assert f"/{folder.name}\n" in done.stdout
    assert group.pids() == set()


def test_the_pid_stays_the_same(group: Group) -> None:
    with subprocess.Popen([*group.enter(), "/bin/sh", "-c", "echo $$"], stdout=subprocess.PIPE, text=True) as program:
        assert program.communicate()[0] == f"{program.pid}\n"


def test_kill_reaches_those_who_left_session_parent_and_environment(group: Group, escaped: subprocess.Popen[str]) -> None:
    assert len(group.pids()) == 3

    assert group.kill()

    assert group.pids() == set()
    assert escaped.wait(30) == -9
    assert group.kill()


def test_a_removed_group_is_gone_with_those_below_it(group: Group, escaped: subprocess.Popen[str]) -> None:
    for folder in group.folders.values():
        (folder / "own").mkdir()
        (folder / "own" / "cgroup.procs").write_text(str(escaped.pid))

    assert group.remove()
    assert group.remove()

    assert not [folder for folder in group.folders.values() if folder.exists()]
    assert escaped.wait(30) == -9


def test_the_sweep_takes_what_nobody_keeps(groups: Groups, escaped: subprocess.Popen[str]) -> None:
    other = groups.maybe_make("worker")
    assert other is not None
    groups.sweep("web", keep={"web"})
    groups.sweep("work")
    assert groups.names() == ["web"]
    assert len(groups.group("web").pids()) == 3

    groups.sweep()
    assert escaped.wait(30) == -9


def test_groups_of_others_are_left_alone(groups: Groups, escaped: subprocess.Popen[str]) -> None:
    theirs = Groups(groups.parents, f"{groups.owner}0")
    assert theirs.maybe_make("web") is not None
    assert theirs.names() == groups.names() == ["web"]

    theirs.sweep()

    assert theirs.names() == []
    assert escaped.poll() is None


def test_a_group_that_went_meanwhile_keeps_nobody_from_running(groups: Groups) -> None:
    group = groups.maybe_make("web")
    assert group is not None
    assert group.remove()

    done = subprocess.run([*group.enter(), "echo", "runs"], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("runs\n", "")


def test_without_a_place_there_are_no_groups() -> None:
    groups = Groups({}, f"pushd-test-{uuid4().hex[:8]}")

    assert not groups.are_there
    assert groups.maybe_make("web") is None
    assert groups.enter_apart("router") == ()
    assert groups.group("web").kill()
    assert groups.group("web").remove()
    groups.sweep()
    assert not Groups.find("no/such/folder").are_there


@pytest.mark.parametrize("tree", [None, Path("/nowhere"), Path("/tmp")])
def test_only_a_tree_that_we_may_write_was_left_to_us(tree: Path | None) -> None:
    assert MEMBERS not in find_parents(tree)
    assert Groups.find(f"pushd-test-{uuid4().hex[:8]}", tree).enter_apart("router") == ()


def test_a_tree_that_goes_while_we_run_is_no_failure(cgroup: Path) -> None:
    (cgroup / "ours").mkdir()
    groups = Groups.find(f"pushd-test-{uuid4().hex[:8]}", cgroup / "ours")  # no other test's name begins so
    os.rmdir(cgroup / "ours")

    assert groups.enter_apart("router") == ()
    assert groups.maybe_make("web") is None
    groups.sweep()


def test_a_tree_that_lets_nobody_in_is_none(cgroup: Path) -> None:
    """As for a user whose daemon runs in another part of the tree than the one that was left to it."""
    tree = cgroup / "ours"
    tree.mkdir()
    (tree / "cgroup.type").write_text("threaded")  # groups in there take threads alone

    assert MEMBERS in find_parents(tree)
    assert MEMBERS not in Groups.find(f"pushd-test-{uuid4().hex[:8]}", tree).parents
    assert list(tree.glob("*/")) == []


def test_nothing_is_made_at_the_top_by_who_was_left_a_tree(cgroup: Path) -> None:
    """This one has no controller, unless the machine has version 2 alone."""
    found = set(find_parents(cgroup).values())
    assert not [folder for folder in found - {cgroup} if (folder / "cgroup.subtree_control").exists()]


def test_the_controllers_of_a_tree_that_was_left_to_us_are_used_there(tmp_path: Path) -> None:
    """As files: where version 1 has the controllers, no tree of version 2 can have them."""
    (tmp_path / "cgroup.procs").write_text("")
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "cgroup.controllers").write_text("cpu memory pids\n")

    folder = tmp_path / "web"
    (folder / "memory.swap.max").write_text("max\n")
    Group(dict.fromkeys((PIDS, MEMORY, CPU), folder)).bound(Bound(tasks=20, memory_bytes=1 << 20, processors=0.5, share=2))

    found = {path.name: path.read_text() for path in folder.iterdir() if path.name != "cgroup.controllers"}
    assert found == {"pids.max": "20", "memory.max": str(1 << 20), "memory.swap.max": str(1 << 20), "memory.oom.group": "1",
                     "cpu.weight": "200", "cpu.max": "50000 100000"}  # fmt: skip
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 1\n")
    (folder / "pids.events").write_text("max 1\n")
    assert Group({MEMORY: folder}).has_killed_for_memory()
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 3\noom 0\noom_kill 2\noom_group_kill 1\n")
    assert not Group({MEMORY: folder}).has_killed_for_memory()
    assert Group({PIDS: folder}).has_refused_tasks()


# --- bounds ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def bounding() -> Iterator[Groups]:
    """With every controller."""
    found = Groups.find(f"pushd-test-{uuid4().hex[:8]}")
    if not (found.holds(PIDS) and found.holds(MEMORY) and found.holds(CPU)):
        pytest.skip("not all controllers are here")
    yield found
    assert found.names() == []


async def test_who_is_full_cannot_fork_and_tells(bounding: Groups) -> None:
    group = bounding.maybe_make("full", Bound(tasks=10, share=0.1))
    assert group is not None
    assert not group.has_refused_tasks()

    output: list[bytes] = []
    script = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 600 & done"
    await proc.run([*group.enter(), "/bin/sh", "-c", script], env=ENV, on_output=output.append, within=60)

    assert b"Cannot fork" in b"".join(output)
    assert group.has_refused_tasks()
    assert group.remove()


async def test_who_takes_too_much_memory_is_killed_and_tells(bounding: Groups) -> None:
    group = bounding.maybe_make("fat", Bound(tasks=10, memory_bytes=64 << 20))
    assert group is not None
    assert not group.has_killed_for_memory()

    fill = "held = bytearray(b'x') * (200 << 20)"
    status = await proc.run([*group.enter(), PYTHON, "-c", fill], env=ENV, on_output=lambda _: None, within=60)

    assert status == 128 + signal.SIGKILL
    assert group.has_killed_for_memory()
    assert group.remove()


async def test_who_is_killed_for_want_of_memory_around_it_did_not_take_too_much(bounding: Groups) -> None:
    """As when the machine's own memory runs out."""
    full = bounding.maybe_make("full", Bound(tasks=10, memory_bytes=64 << 20))
    assert full is not None
    around = full.folders[MEMORY]
    if (around / "cgroup.subtree_control").exists():
        (around / "cgroup.subtree_control").write_text("+memory")
    group = Groups({MEMORY: around}, bounding.owner).group("small")
    group.make()
    group.bound(Bound(memory_bytes=1 << 30))

    fill = "held = bytearray(b'x') * (200 << 20)"
    status = await proc.run([*group.enter(), PYTHON, "-c", fill], env=ENV, on_output=lambda _: None, within=60)

    assert status == 128 + signal.SIGKILL
    assert not group.has_killed_for_memory()
    assert full.remove()


def test_the_time_of_a_processor_is_bounded(bounding: Groups) -> None:
    group = bounding.maybe_make("slow", Bound(tasks=10, processors=0.5))
    assert group is not None

    found = subprocess.run([*group.enter(), "cat", "/proc/self/cgroup"], capture_output=True, text=True, check=True)
    assert f"/{group.folders[CPU].name}\n" in found.stdout
    quota = group.folders[CPU] / ("cpu.max" if (group.folders[CPU] / "cpu.max").exists() else "cpu.cfs_quota_us")
    assert quota.read_text().split()[0] == "50000"
    group.bound(Bound(tasks=10))
    assert quota.read_text().split()[0] in ("-1", "max")
    assert group.remove()


def test_who_is_killed_gets_the_processors_to_end_with(bounding: Groups) -> None:
    """What a build had forked by the thousand had not ended after 10 s of its tenth of a busy machine."""
    group = bounding.maybe_make("slow", Bound(tasks=10, processors=0.05, share=0.1))
    assert group is not None
    shares = next(path for path in map(group.folders[CPU].joinpath, ("cpu.weight", "cpu.shares")) if path.exists())
    before = int(shares.read_text())

    with subprocess.Popen([*group.enter(), "sleep", "1000"]) as sleeper:
        while sleeper.pid not in group.pids():
            pass
        assert group.kill()
    assert int(shares.read_text()) > 50 * before
    assert group.remove()


# --- who is killed --------------------------------------------------------------------------------------------------------


def test_a_pid_that_is_in_it_no_more_is_not_killed(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if its process had ended after the first look and somebody else had got the number."""
    somebody = subprocess.Popen(["sleep", "600"])
    try:
        with monkeypatch.context() as patch:
            looks = iter([{somebody.pid}, set()])
            patch.setattr(Group, "pids", lambda _: next(looks))
            group._kill_each()
            assert next(looks, None) is None
            somebody.send_signal(signal.SIGTERM)
            assert somebody.wait(30) == -signal.SIGTERM  # and no KILL came before it
    finally:
        somebody.kill()
        somebody.wait()


def test_each_of_them_is_killed(group: Group) -> None:
    """As where the kernel does it not at a word."""
    words = [*group.enter(), "/bin/sh", "-c", "echo in; exec sleep 600"]
    members = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(3)]
    try:
        for member in members:
            assert member.stdout is not None
            assert member.stdout.readline() == b"in\n"
        group._kill_each()
        assert [member.wait(30) for member in members] == [-signal.SIGKILL] * 3
    finally:
        for member in members:
            member.kill()
            member.communicate()
    assert [pid for pid in group.pids() if procfs.identify(pid)] == []
