"""Control groups: the kernel knows who is in one, whatever it forks or ignores; together they take no more than a bound.

Where a tree of version 2 was left to us, groups are made in it and hold who is in them even without any controller. Elsewhere
they work where we may make some: as root, with version 1 or at the top of version 2. A group has one folder in each tree.
Source: cgroups(7), proc(5), /proc/self/mountinfo and /proc/self/cgroup.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pushd.kit.cgroup_tree import CPU, MEMBERS, MEMORY, PIDS, find_parents
from pushd.kit.spawn import spawn

log = logging.getLogger(__name__)

_PROCESSES = "cgroup.procs"
# The group's files come first, then "--" and the program, which keeps the pid. Whoever writes 0 means itself. A group that is
# gone keeps nobody from running: then the program stays where we are.
_ENTER = 'while [ "$1" != -- ]; do { echo 0 >"$1"; } 2>/dev/null; shift; done; shift; exec "$@"'
_TRY_TO_ENTER = 'for file; do { echo 0 >"$file"; } 2>/dev/null || exit 1; done'
_END_SECONDS = 10.0
_PAUSE_SECONDS = 0.002
_AT_ONCE = 256  # descriptors
_SHARE_OF_THE_DYING = 10.0  # of the processors: who was killed still takes some time, and the group may get next to none
_OF_SWAP = ("memory.swap.max", "memory.memsw.limit_in_bytes")  # not on every machine that has the others
_PERIOD_MICROSECONDS = 100_000
_NORMAL_SHARES, _NORMAL_WEIGHT = 1024, 100  # of version 1 and 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What all that is in a group may take together; each of them counts where the machine has its controller."""

    tasks: int | None = None  # processes and threads; at the bound nobody in it can fork
    memory_bytes: int | None = None  # with files kept there, and as much of swap beside; above it the kernel kills in there
    processors: float | None = None  # at most so much time of a processor per second
    share: float = 1.0  # of the processors, while they are short, against 1 of everybody else


@dataclass(frozen=True, slots=True)
class Group:
    """One group, there or not: every call is safe for one that is gone, and may be repeated."""

    folders: Mapping[str, Path]  # controller, or MEMBERS -> where that tree keeps the group

    def enter(self) -> tuple[str, ...]:
        """What to put before a program's argv so that it is in there before its first instruction."""
        return ("/bin/sh", "-c", _ENTER, "pushd-group", *(str(folder / _PROCESSES) for folder in self._each()), "--")

    def lets_in(self) -> bool:
        """Whether who is started with `enter` gets there: a user may take nobody from one part of a tree to another."""
        words = ["/bin/sh", "-c", _TRY_TO_ENTER, "pushd-group", *(str(folder / _PROCESSES) for folder in self._each())]
        return os.waitpid(spawn(words, env={}), 0)[1] == 0

    def make(self) -> None:
        """Raises: OSError."""
        for folder in self._each():
            folder.mkdir(exist_ok=True)

    def bound(self, bound: Bound) -> None:
        """Hold it to this, as far as there are controllers. Raises: OSError."""
        for controller, folder in self.folders.items():
            for name, value in _files(controller, bound, is_second=(folder / "cgroup.controllers").exists()):
                if name not in _OF_SWAP or (folder / name).exists():
                    (folder / name).write_text(value)

    def pids(self) -> set[int]:
        """Who is in it, or in one that a program has made inside, and has not ended."""
        found: set[int] = set()
        for top in self._each():
            for folder, _, _ in os.walk(top):
                with contextlib.suppress(OSError):
                    found |= {int(pid) for pid in Path(folder, _PROCESSES).read_text().split()}
        return found - {0}

    def has_refused_tasks(self) -> bool:
        """Whether somebody in it could not fork, because it is full."""
        return self._count(PIDS, "pids.events", "max") > 0

    def has_killed_for_memory(self) -> bool:
        """Whether the kernel killed somebody in it, because all of it took more memory than it may.

        It also counts whom it killed since the machine, or a group around this one, had none left: this one was not full then.
        """
        if self._count(MEMORY, "memory.events", "oom_kill") > 0:
            return self._count(MEMORY, "memory.events", "oom") > 0
        return self._count(MEMORY, "memory.oom_control", "oom_kill") > 0 and self._count(MEMORY, "memory.failcnt") > 0

    def kill(self, *, within: float = _END_SECONDS) -> bool:
        """KILL to all in it, who are just being forked too, until nobody is left; blocks. False if some stay."""
        deadline = time.monotonic() + within
        while self.pids():
            if time.monotonic() > deadline:
                log.error("a control group does not end", extra={"group": str(next(iter(self._each())))})
                return False
            if not self._kill_at_a_word():
                self._stop_forking()
                self._kill_each()
            self._let_die()
            time.sleep(_PAUSE_SECONDS)
        return True

    def remove(self) -> bool:
        """Kill who is left in it, and remove it with those that programs have made inside; blocks. False if it stays."""
        deadline = time.monotonic() + _END_SECONDS
        while self.kill() and not self._removed():  # busy while somebody is being buried
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE_SECONDS)
        return not any(folder.exists() for folder in self._each())

    def _each(self) -> Collection[Path]:
        return dict.fromkeys(self.folders.values())

    def _count(self, controller: str, file: str, name: str = "") -> int:
        """The number behind this name, or the only one that is there; 0 for what is not there."""
        folder = self.folders.get(controller)
        with contextlib.suppress(OSError):
            words = [] if folder is None else (folder / file).read_text().split()
            return int(dict(zip(words[::2], words[1::2], strict=False)).get(name, 0) if name else words[0])
        return 0

    def _kill_at_a_word(self) -> bool:
        """Whether the kernel does it: version 2 does, from 5.14 on, also in those below it."""
        for folder in self._each():
            with contextlib.suppress(OSError):
                (folder / "cgroup.kill").write_text("1")
                return True
        return False

    def _stop_forking(self) -> None:
        if (folder := self.folders.get(PIDS)) is not None:
            with contextlib.suppress(OSError):
                (folder / "pids.max").write_text("0")

    def _let_die(self) -> None:
        """Thousands that a build has forked take longer than we wait, with its tenth of a busy processor."""
        with contextlib.suppress(OSError):
            self.bound(Bound(share=_SHARE_OF_THE_DYING))

    def _kill_each(self) -> None:
        """Only who is still in it once its descriptor holds on to who it is: a pid may be another process's by now."""
        pids = sorted(self.pids())
        for begin in range(0, len(pids), _AT_ONCE):
            with contextlib.ExitStack() as stack:
                held: dict[int, int] = {}
                for pid in pids[begin : begin + _AT_ONCE]:
                    with contextlib.suppress(OSError):  # it is gone
                        held[pid] = os.pidfd_open(pid)
                        stack.callback(os.close, held[pid])
                for pid in self.pids() & held.keys():
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        signal.pidfd_send_signal(held[pid], signal.SIGKILL)

    def _removed(self) -> bool:
        gone = True
        for top in self._each():
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(folder)
                except FileNotFoundError:
                    pass
                except OSError:
                    gone = False
        return gone


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of one owner, where there can be some: their names begin with its own, and those of others are never touched.

    Whoever was killed half-way is followed by `sweep`.
    """

    parents: Mapping[str, Path]  # controller, or MEMBERS -> the folder in which its groups are made; none: there are no groups
    owner: str = ""

    @classmethod
    def find(cls, owner: str, tree: Path | None = None) -> Groups:
        """What works, by trying it. `tree`: a folder of version 2 that was left to us; its own limits hold them too."""
        groups = cls({}, owner)
        for controller, parent in find_parents(tree).items():
            trial = Group({controller: parent / groups._name("trial")})
            try:
                trial.make()
                trial.bound(Bound(tasks=10, memory_bytes=1 << 30, processors=1.0))
                if not trial.lets_in():
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(parent))
                groups = cls({**groups.parents, controller: parent}, owner)
            except OSError as error:
                log.debug("no control groups", extra={"controller": controller, "cause": str(error)})
            trial.remove()
        # A group that cannot keep its processes from forking never ends, unless the kernel ends it at a word.
        return groups if groups.parents.keys() & {MEMBERS, PIDS} else NO_GROUPS

    @property
    def are_there(self) -> bool:
        """Whether there can be groups."""
        return bool(self.parents)

    def enter_apart(self, name: str, bound: Bound | None = None) -> tuple[str, ...]:
        """What to put before the argv of who must outlive us: where a tree was left to us, our own group may end with us."""
        tree = self.parents.get(MEMBERS)
        ours = Groups({kind: parent for kind, parent in self.parents.items() if parent == tree}, self.owner)
        group = ours.maybe_make(name, bound)
        return () if group is None else group.enter()

    def holds(self, controller: str) -> bool:
        """Whether bounds of this kind count: PIDS, MEMORY or CPU."""
        return controller in self.parents

    def group(self, name: str) -> Group:
        """The group of this name, whether it is there or not."""
        return Group({controller: parent / self._name(name) for controller, parent in self.parents.items()})

    def maybe_make(self, name: str, bound: Bound | None = None) -> Group | None:
        """A group that is there; None where there are none, or it cannot be made, which the log says."""
        if not self.are_there:
            return None
        group = self.group(name)
        try:
            group.make()
            if bound is not None:
                group.bound(bound)
        except OSError as error:
            group.remove()
            log.warning("no control group", extra={"group": name, "cause": str(error)})
            return None
        return group

    def names(self, kind: str = "") -> list[str]:
        """Of every group that is there and whose name begins so."""
        begin = self._name(kind)
        found = {path.name for parent in self.parents.values() for path in parent.glob(f"{begin}*") if path.is_dir()}
        return sorted(name.removeprefix(self._name("")) for name in found)

    def sweep(self, kind: str = "", *, keep: Collection[str] = ()) -> None:
        """Remove all groups whose names begin so but these, with who is in them: what a daemon left that died; blocks."""
        for name in self.names(kind):
            if name not in keep:
                self.group(name).remove()

    def _name(self, name: str) -> str:
        return f"{self.owner}-{name}"


NO_GROUPS = Groups({})


def _files(controller: str, bound: Bound, *, is_second: bool) -> list[tuple[str, str]]:
    """File -> what to write into it, in order; is_second: of version 2."""
    if controller == PIDS and bound.tasks is not None:
        return [("pids.max", str(bound.tasks))]
    if controller == MEMORY and bound.memory_bytes is not None:
        size, both = str(bound.memory_bytes), str(2 * bound.memory_bytes)
        if is_second:
            return [("memory.max", size), ("memory.swap.max", size), ("memory.oom.group", "1")]
        return [("memory.limit_in_bytes", size), ("memory.memsw.limit_in_bytes", both)]
    if controller == CPU and is_second:
        quota = "max" if bound.processors is None else str(round(bound.processors * _PERIOD_MICROSECONDS))
        weight = min(10_000, max(1, round(_NORMAL_WEIGHT * bound.share)))
        return [("cpu.weight", str(weight)), ("cpu.max", f"{quota} {_PERIOD_MICROSECONDS}")]
    if controller == CPU:
        quota = "-1" if bound.processors is None else str(round(bound.processors * _PERIOD_MICROSECONDS))
        return [
            ("cpu.shares", str(max(2, round(_NORMAL_SHARES * bound.share)))),
            ("cpu.cfs_period_us", str(_PERIOD_MICROSECONDS)),
            ("cpu.cfs_quota_us", quota),
        ]
    return []
