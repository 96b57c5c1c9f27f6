"""A piece of a real cgroup v2 tree, for one test."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushd.kit.cgroup import Group
from pushd.kit.cgroup_tree import MEMBERS

_numbers = itertools.count(1)


@contextlib.contextmanager
def piece_of_cgroup_tree(mount_point: Path) -> Iterator[Path]:
    """A group without processes, in the tree that is mounted here, else in one that is mounted for it; gone afterwards."""
    if os.geteuid() != 0:
        pytest.skip("groups of processes are made by root")
    with _tree(mount_point) as tree:
        group = tree / f"pushd-test-{os.getpid()}-{next(_numbers)}"
        group.mkdir()
        try:
            yield group
        finally:
            gone = Group({MEMBERS: group}).remove()
            assert gone, f"there are processes left in {group}"


@contextlib.contextmanager
def _tree(mount_point: Path) -> Iterator[Path]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup2" and "rw" in options.split(","):
            yield Path(where)
            return
    mount_point.mkdir()
    subprocess.run(["mount", "-t", "cgroup2", "none", str(mount_point)], check=True)
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", "--lazy", str(mount_point)], check=True)
