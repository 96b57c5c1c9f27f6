"""Control groups with limits: the kernel counts what is in one, and nobody leaves it, whatever it forks, ignores or empties.

They work where we may make some: as root, with version 1 or version 2 of the kernel's interface. `find` tries it. Where a tree
was left to us they are made in it, beside the groups of the other kind (`cgroup.py`).
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_CONTROLLERS = ("pids", "cpu")
_PROCESSES = "cgroup.procs"
_SWITCHES = "cgroup.subtree_control"  # of version 2: the controllers that groups below have
_PAUSE_SECONDS = 0.01
_KILL_WITHIN_SECONDS = 10.0
_SWITCHED_ON_TRIES = 200
_AT_ONCE = 256  # descriptors
_NORMAL_SHARES, _NORMAL_WEIGHT = 1024, 100  # of version 1 and 2


@dataclass(frozen=True, slots=True)
class LimitedGroup:
    """One group: a folder per controller (version 1), or one for all (version 2)."""

    folders: Mapping[str, Path]  # controller -> where it keeps the group

    @property
    def doors(self) -> list[Path]:
        """A process that writes its pid into each of these files is in."""
        return [folder / _PROCESSES for folder in dict.fromkeys(self.folders.values())]

    def bound(self, *, tasks: int, share: float) -> None:
        """At most so many processes and threads; `share` of the processor against 1 of everybody else. Raises: OSError."""
        (self.folders["pids"] / "pids.max").write_text(str(tasks))
        if (cpu := self.folders.get("cpu")) is not None:
            if (cpu / "cpu.weight").exists():
                (cpu / "cpu.weight").write_text(str(max(1, round(_NORMAL_WEIGHT * share))))
            else:
                (cpu / "cpu.shares").write_text(str(max(2, round(_NORMAL_SHARES * share))))

    def has_refused(self) -> bool:
        """Whether somebody in it could not fork, because it is full."""
        try:
            words = (self.folders["pids"] / "pids.events").read_text().split()
        except OSError:
            return False
        return int(dict(zip(words[::2], words[1::2], strict=False)).get("max", 0)) > 0

    def kill(self) -> bool:
        """KILL all in it, until nobody is left, and remove it; blocks. False if some do not die."""
        deadline = time.monotonic() + _KILL_WITHIN_SECONDS
        with contextlib.suppress(OSError):
            (self.folders["pids"] / "pids.max").write_text("0")  # from here on nobody in it forks
        while not self._remove():  # busy while somebody is in it, or being buried
            if time.monotonic() > deadline:
                return False
            if not self._kill_at_a_word():
                self._kill_each()
            time.sleep(_PAUSE_SECONDS)
        return True

    def _kill_at_a_word(self) -> bool:
        """Whether the kernel does it: version 2 does, from 5.14 on."""
        try:
            (self.folders["pids"] / "cgroup.kill").write_text("1")
        except OSError:
            return False
        return True

    def _kill_each(self) -> None:
        """Only who is still in it once its descriptor holds on to who it is: a pid may be another process's by now."""
        pids = sorted(self._pids())
        for begin in range(0, len(pids), _AT_ONCE):
            with contextlib.ExitStack() as stack:
                held: dict[int, int] = {}
                for pid in pids[begin : begin + _AT_ONCE]:
                    with contextlib.suppress(OSError):  # it is gone
                        held[pid] = os.pidfd_open(pid)
                        stack.callback(os.close, held[pid])
                for pid in self._pids() & held.keys():
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        signal.pidfd_send_signal(held[pid], signal.SIGKILL)

    def _pids(self) -> set[int]:
        found: set[int] = set()
        for door in self.doors:
            with contextlib.suppress(OSError):
                found |= {int(pid) for pid in door.read_text().split()}
        return found - {0}

    def _remove(self) -> bool:
        gone = True
        for folder in dict.fromkeys(self.folders.values()):
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                gone = False
        return gone


@dataclass(frozen=True, slots=True)
class LimitedGroups:
    """The groups of one owner: their names begin with its own."""

    parents: Mapping[str, Path]  # controller -> the folder in which its groups are made
    owner: str

    @property
    def share_processors(self) -> bool:
        """Whether `share` counts."""
        return "cpu" in self.parents

    @classmethod
    def find(cls, owner: str, tree: Path | None = None) -> LimitedGroups | None:
        """None where we may make none: it is tried. `tree`: of version 2, left to us; its own limits hold them too."""
        groups = cls(dict(_parents(tree)), owner)
        if "pids" not in groups.parents:
            return None
        try:
            group = groups.make("trial")
            group.bound(tasks=10, share=1)
        except OSError as error:
            log.debug("no control groups", extra={"cause": str(error)})
            return None
        return groups if group.kill() else None

    def make(self, name: str) -> LimitedGroup:
        """An empty group. Raises: OSError."""
        group = self._group(f"{self.owner}-{name}")
        for folder in dict.fromkeys(group.folders.values()):
            folder.mkdir(exist_ok=True)
        return group

    def left(self, kind: str = "") -> dict[str, LimitedGroup]:
        """Every group of the owner that is there and whose name begins so, by the rest of its name."""
        begin = f"{self.owner}-{kind}"
        names = {path.name for parent in self.parents.values() for path in parent.glob(f"{begin}*") if path.is_dir()}
        return {name.removeprefix(begin): self._group(name) for name in sorted(names)}

    def _group(self, name: str) -> LimitedGroup:
        return LimitedGroup({controller: parent / name for controller, parent in self.parents.items()})


def _parents(tree: Path | None) -> Iterator[tuple[str, Path]]:
    """Controller and the folder in which its groups may be made.

    Version 1: the group that we are in. Version 2: the tree that was left to us and nothing outside of it, else the top, for a
    group that holds processes cannot have groups below it.
    Source: cgroups(7), proc(5), /proc/self/mountinfo and /proc/self/cgroup.
    """
    confined = tree is not None and (tree / _SWITCHES).exists()
    if tree is not None and confined:
        if "pids" not in _enabled(tree):
            _switch_on(tree)
        if "pids" in (enabled := _enabled(tree)):
            yield from ((controller, tree) for controller in enabled)
            return
    own: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own.update((controller, path) for controller in controllers.split(","))
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        place, (kind, _, options) = Path(before.split()[4]), after.split(" ", 2)
        if kind == "cgroup":
            for controller in set(_CONTROLLERS).intersection(options.split(",")):
                yield controller, place / own.get(controller, "/").lstrip("/")
        elif kind == "cgroup2" and not confined:
            yield from ((controller, place) for controller in _enabled(place))


def _switch_on(tree: Path) -> None:
    """Let groups below it have the pids controller: not cpu, for the low priority of builds counts between autogroups.

    While a process is in the tree itself it is busy; the one of systemd's unit steps aside as soon as it has started.
    """
    for _ in range(_SWITCHED_ON_TRIES):
        try:
            (tree / _SWITCHES).write_text("+pids")
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                return
        time.sleep(_PAUSE_SECONDS)


def _enabled(folder: Path) -> list[str]:
    """The controllers, of those that we use, that groups below this one of version 2 have."""
    try:
        words = (folder / _SWITCHES).read_text().split()
    except OSError:
        return []
    return [controller for controller in _CONTROLLERS if controller in words]
