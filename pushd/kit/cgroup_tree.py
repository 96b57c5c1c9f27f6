"""Where on this machine control groups can be made, controller by controller."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

PIDS, MEMORY, CPU = "pids", "memory", "cpu"
MEMBERS = "members"  # no controller: a tree of version 2 tells who is in a group, and kills it, without any
CONTROLLERS = (PIDS, MEMORY, CPU)

_SWITCHES = "cgroup.subtree_control"  # of version 2: the controllers that groups below have
_SWITCHED_ON_TRIES = 200
_PAUSE_SECONDS = 0.01


def find_parents(tree: Path | None) -> dict[str, Path]:
    """Controller, or MEMBERS -> the folder in which its groups may be made; whether they can be is to be tried.

    Version 2: the tree that was left to us and nothing outside of it, else the top, for a group that holds processes cannot
    have groups below it. Version 1: the group that we are in.
    """
    if tree is not None and os.access(tree / "cgroup.procs", os.W_OK) and (tree / _SWITCHES).exists():
        _switch_on(tree)
        return {**dict(_of_first()), MEMBERS: tree, **dict.fromkeys(_enabled(tree), tree)}
    return {**dict(_at_top()), **dict(_of_first())}


def _of_first() -> Iterator[tuple[str, Path]]:
    """Of version 1, which has a controller or version 2 has it, never both."""
    own: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own.update((controller, path) for controller in controllers.split(","))
    for place, kind, options in _mounts():
        if kind == "cgroup":
            for controller in set(CONTROLLERS).intersection(options):
                yield controller, place / own.get(controller, "/").lstrip("/")


def _at_top() -> Iterator[tuple[str, Path]]:
    for place, kind, _ in _mounts():
        if kind == "cgroup2":
            yield from ((controller, place) for controller in _enabled(place))


def _mounts() -> Iterator[tuple[Path, str, list[str]]]:
    """Mount point, kind of file system, its options."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        yield Path(before.split()[4]), kind, options.split(",")


def _switch_on(tree: Path) -> None:
    """Let groups below it have the controllers that it has itself.

    While a process is in the tree itself it is busy; the one of systemd's unit steps aside as soon as it has started.
    """
    for controller in CONTROLLERS:
        for _ in range(_SWITCHED_ON_TRIES):
            try:
                (tree / _SWITCHES).write_text(f"+{controller}")
                break
            except OSError as error:
                if error.errno != errno.EBUSY:
                    break
            time.sleep(_PAUSE_SECONDS)


def _enabled(folder: Path) -> list[str]:
    """The controllers, of those that we use, that groups below this one of version 2 have."""
    try:
        words = (folder / _SWITCHES).read_text().split()
    except OSError:
        return []
    return [controller for controller in CONTROLLERS if controller in words]
