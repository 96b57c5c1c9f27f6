"""Groups of processes in a cgroup v2 tree: nobody leaves one by forking, and all who are in one end at a word.

Below one folder that was left to us each group has a folder of its own. Nothing but what every such tree has is used, so no
controller need be there; limits (`memory.max` and the like) would be written into the same folders.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import time
from collections.abc import Collection
from pathlib import Path

log = logging.getLogger(__name__)

# $0 is the group's file, then comes the program, which keeps the pid. Whoever writes 0 means itself. A group that is gone
# keeps nobody from running: then the program stays where we are.
_ENTER = '{ echo 0 >"$0"; } 2>/dev/null; exec "$@"'
_END_SECONDS = 10.0


class Groups:
    """The groups of one owner below one folder; without a folder nothing is done and nobody is in any.

    Their folders' names begin with the owner's: those of others, who may have been left the same tree, are never touched.
    Every call is safe for a group that is not there, and may be repeated: whoever was killed half-way is followed by `sweep`.
    """

    def __init__(self, folder: Path | None = None, owner: str = "") -> None:
        self._folder = folder
        self._begin = f"{owner}-" if owner else ""

    @classmethod
    def below(cls, folder: Path | None, owner: str = "") -> Groups:
        """Those of this folder if it is one of cgroup v2 that we may write; else none, and the log says so."""
        if folder is not None and not os.access(folder / "cgroup.procs", os.W_OK):
            log.warning("no groups for processes", extra={"folder": str(folder), "why": "not a cgroup v2 that we may write"})
            return cls()
        return cls(folder, owner)

    @property
    def are_there(self) -> bool:
        """Whether there is a folder for them."""
        return self._folder is not None

    def enter(self, name: str, *, tasks: int | None = None) -> tuple[str, ...]:
        """Make the group; gives what to put before a program's argv so that it is in there before its first instruction.

        `tasks` bounds its processes and threads, where the tree has that controller.
        """
        if self._folder is None:
            return ()
        group = self._group(self._folder, name)
        try:
            group.mkdir(exist_ok=True)
        except OSError as error:
            log.warning("no group for a process", extra={"group": str(group), "cause": error})
            return ()
        if tasks is not None:
            with contextlib.suppress(OSError):
                (self._folder / "cgroup.subtree_control").write_text("+pids")
                (group / "pids.max").write_text(str(tasks))
        return ("/bin/sh", "-c", _ENTER, str(group / "cgroup.procs"))

    def pids(self, name: str) -> list[int]:
        """Who is in the group and has not ended; zombies are in no group."""
        if self._folder is None:
            return []
        try:
            return [int(pid) for pid in (self._group(self._folder, name) / "cgroup.procs").read_text().split()]
        except OSError:
            return []

    def kill(self, name: str, *, within: float = _END_SECONDS) -> bool:
        """KILL to all in it, who are just being forked too, and wait until nobody is left; blocks. False if some stay."""
        if self._folder is None:
            return True
        group = self._group(self._folder, name)
        try:
            (group / "cgroup.kill").write_text("1")
            return _await_empty(group, within)
        except FileNotFoundError:
            return True  # nobody was ever in it, or the kernel is older than cgroup.kill (5.14)
        except OSError as error:
            log.warning("cannot end a group", extra={"group": str(group), "cause": error})
            return False

    def remove(self, name: str) -> None:
        """Kill who is left in it, and remove it; blocks."""
        if self._folder is None or not self._group(self._folder, name).is_dir():
            return
        self.kill(name)
        # A program may have made some of its own inside.
        for folder, _, _ in os.walk(self._group(self._folder, name), topdown=False):
            with contextlib.suppress(OSError):  # `sweep` will
                os.rmdir(folder)

    def sweep(self, keep: Collection[str]) -> None:
        """Remove all groups of the owner but these, with who is in them: what a daemon left that died; blocks."""
        if self._folder is None:
            return
        with contextlib.suppress(FileNotFoundError):  # the whole folder went meanwhile
            for group in list(self._folder.iterdir()):
                name = group.name.removeprefix(self._begin)
                if group.is_dir() and group.name.startswith(self._begin) and name not in keep:
                    self.remove(name)

    def _group(self, folder: Path, name: str) -> Path:
        return folder / f"{self._begin}{name}"


NO_GROUPS = Groups()


def _await_empty(group: Path, within: float) -> bool:
    """Whether nobody is left; the kernel tells of each change of `cgroup.events`."""
    deadline = time.monotonic() + within
    with open(group / "cgroup.events") as events:
        poll = select.poll()
        poll.register(events, select.POLLPRI)
        while True:
            events.seek(0)
            if "populated 0" in events.read():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            poll.poll(left * 1000)
