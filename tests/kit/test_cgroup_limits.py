"""Control groups, where this machine lets us make some."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from pushd.kit import proc, procfs
from pushd.kit.cgroup_limits import LimitedGroup, LimitedGroups, _parents

ENV = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def groups() -> Iterator[LimitedGroups]:
    found = LimitedGroups.find(f"pushd-test-{uuid4().hex[:8]}")
    if found is None:
        pytest.skip("no control groups here")
    yield found
    assert found.left() == {}


def inside(group: LimitedGroup, script: str) -> list[str]:
    doors = "".join(f"echo $$ >{door}\n" for door in group.doors)
    return ["/bin/sh", "-c", doors + script]


async def test_it_is_bounded_and_tells_when_it_was_full(groups: LimitedGroups) -> None:
    group = groups.make("full")
    group.bound(tasks=10, share=0.1)
    assert not group.has_refused()

    output: list[bytes] = []
    script = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 600 & done"
    await proc.run(inside(group, script), env=ENV, on_output=output.append, within=60)

    assert b"Cannot fork" in b"".join(output)
    assert group.has_refused()
    assert group.kill()


async def test_who_escaped_everything_else_is_killed_in_it(groups: LimitedGroups, tmp_path: Path) -> None:
    group = groups.make("escape")
    group.bound(tasks=100, share=1)
    script = f"env -i setsid sh -c 'trap \"\" TERM; echo $$ >{tmp_path}/pid; while :; do sleep 600; done' >/dev/null 2>&1 &"
    script += f" until [ -s {tmp_path}/pid ]; do :; done"
    await proc.run(inside(group, script), env=ENV, on_output=lambda _: None, within=60)
    escaped = int((tmp_path / "pid").read_text())
    assert procfs.identify(escaped) is not None
    assert groups.left("esc")["ape"].doors == group.doors

    assert group.kill()

    assert procfs.identify(escaped) is None
    assert group.kill()  # again: it is gone


def test_a_pid_that_is_in_it_no_more_is_not_killed(groups: LimitedGroups, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if its process had ended after the first look and somebody else had got the number."""
    group = groups.make("recycled")
    somebody = subprocess.Popen(["sleep", "600"])
    try:
        with monkeypatch.context() as patch:
            looks = iter([{somebody.pid}, set()])
            patch.setattr(LimitedGroup, "_pids", lambda _: next(looks))
            group._kill_each()
            assert next(looks, None) is None
            somebody.send_signal(signal.SIGTERM)
            assert somebody.wait(30) == -signal.SIGTERM  # and no KILL came before it
    finally:
        somebody.kill()
        somebody.wait()
        assert group.kill()


def test_each_of_them_is_killed(groups: LimitedGroups) -> None:
    """As where the kernel does it not at a word."""
    group = groups.make("each")
    members = [subprocess.Popen(inside(group, "echo in; exec sleep 600"), stdout=subprocess.PIPE) for _ in range(3)]
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
        assert group.kill()


def test_a_tree_that_was_left_to_us_takes_the_groups(tmp_path: Path) -> None:
    """As files: where version 1 has the controllers, no tree of version 2 can have them."""
    (tmp_path / "cgroup.subtree_control").write_text("memory pids\n")
    assert dict(_parents(tmp_path)) == {"pids": tmp_path}


def test_nothing_is_made_at_the_top_by_who_was_left_a_tree(cgroup: Path) -> None:
    """This one has no controller, unless the machine has version 2 alone."""
    found = set(dict(_parents(cgroup)).values())
    assert cgroup in found or not [folder for folder in found if (folder / "cgroup.subtree_control").exists()]


def test_groups_of_others_are_left_alone(groups: LimitedGroups) -> None:
    other = LimitedGroups(groups.parents, f"{groups.owner}0").make("theirs")
    assert groups.left() == {}
    assert other.kill()
    assert LimitedGroups.find("no/such/folder") is None
