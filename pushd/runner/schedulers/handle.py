"""The hold on one dyno of this machine, from its start to the removal of its last file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Sequence
from uuid import UUID

from pushd.kit import proc, procfs
from pushd.kit.aio import first, in_thread
from pushd.kit.cgroup import Group
from pushd.kit.proc import Tree
from pushd.kit.procfs import Identity
from pushd.runner.schedulers import Listener, Memory
from pushd.runner.schedulers.shim import DynoFolder, Shim
from pushd.sandbox.fence import NO_FENCE, Door, Fence

MARK = "HEROKU_DYNO_ID"  # in the environment of every process of a dyno; the name is Heroku's own
_NEAR = 0.8  # of the memory quota: from here on shared pages are counted exactly
_ENDING = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM})
_KILL_WITHIN_SECONDS = 10.0
_PAUSE_SECONDS = 0.002
_MEMORY_FOLDERS = ("app", "tmp", "dev/shm")  # what is written there takes memory


class LocalHandle:
    """Fits `Handle`."""

    def __init__(
        self,
        dyno_id: UUID,
        folder: DynoFolder,
        shim: Shim,
        *,
        is_child: bool,
        group: Group,
        fence: Fence = NO_FENCE,
    ) -> None:
        self.dyno_id = dyno_id
        self.fifo = folder.output
        self.identity = str(shim)
        self._folder = folder
        self._shim = shim
        self._group = group
        self._fence = fence
        self._tree = Tree(shim.process, (MARK, str(dyno_id)), spared=frozenset({shim.process.pid}))
        self._init: Identity | None = None
        self._status: int | None = None
        self._life = ""
        self._is_child = is_child  # so we must reap the shim
        self._terminated = self._released = False
        self._kill_asked = asyncio.Event()

    @property
    def memory_bytes(self) -> int:
        """The quota that it was started with."""
        return self._shim.memory_bytes

    @property
    def user(self) -> int | None:
        """The uid of its program, where it has one of its own."""
        return self._shim.user

    @property
    def door(self) -> Door | None:
        """The port that is kept to its app, if it has one."""
        return (self._shim.user, self._shim.port) if self._shim.user and self._shim.port else None

    @property
    def life(self) -> str:
        """Of the shim's child, which becomes the program or waits for it."""
        if not self._life and procfs.is_alive(self._shim.process):
            living = (procfs.identify(pid) for pid in procfs.children(self._shim.process.pid))
            self._life = next((who.text for who in living if who is not None), "")
        return self._life

    async def wait(self) -> int:
        """The exit status once the program has ended, and with it all that it started.

        After `terminate` those have their time too, until `kill`; after an end by itself they are killed at once.
        """
        if self._status is None:
            await first(self._folder.program_ended(), self._kill_asked.wait())
            while self._terminated and not self._kill_asked.is_set() and (living := await in_thread(self._living)):
                await first(proc.ended(living.pop()), self._kill_asked.wait())
            await in_thread(self._end_all)
            await self._folder.program_ended()
        return self._settled_status()

    def terminate(self) -> None:
        """TERM to every process of the dyno, as Heroku does; one that has not come to its program yet is killed."""
        self._terminated = True
        processes = self._processes()
        if not processes:
            self.kill()
        _send(processes, signal.SIGTERM)

    def signal(self, number: int) -> None:
        """To every process of the dyno; one that has not come to its program yet is killed by what would end it."""
        processes = self._processes()
        if not processes and number in _ENDING:
            self.kill()
        _send(processes, number)

    def kill(self) -> None:
        """KILL to the whole tree, setsid'ed children too: the death of a namespace's first process takes all in it.

        Who is just being forked is found by `wait`.
        """
        self._kill_asked.set()
        if self._status is not None:
            return
        if (init := self._namespace_init()) is not None:
            proc.send(init, signal.SIGKILL)
        else:
            self._tree.signal(signal.SIGKILL)

    async def release(self) -> None:
        """End what still lives, let the shim go and remove the folder; fine if that was done before."""
        if self._released:
            return
        await in_thread(self._end_all)
        self._settled_status()
        proc.send(self._shim.process, signal.SIGKILL)
        await proc.ended(self._shim.process)
        if self._is_child:
            self._is_child = False
            proc.reap(self._shim.process.pid)
        if self.door is not None:
            await self._fence.close(*self.door)
        await in_thread(self._group.remove)
        await in_thread(self._folder.remove)
        self._released = True

    def listeners(self) -> Sequence[Listener]:
        """The TCP sockets on which processes of this dyno listen."""
        return [Listener(address, port) for address, port in procfs.listening(self._processes())]

    def memory(self) -> Memory:
        """Resident and swapped, exact only near the quota; files on /app, /tmp and /dev/shm when those live in memory."""
        processes = self._processes()
        scratch = self._scratch_bytes(processes)
        found = Memory(proc.rss_bytes(processes), scratch, procfs.swapped_bytes(processes))
        if found.total_bytes > self._shim.memory_bytes * _NEAR:
            return Memory(proc.pss_bytes(processes), scratch, procfs.swapped_bytes(processes, exact=True))
        return found

    def ran_out_of_memory(self) -> bool:
        """Only where a control group bounds it."""
        return self._group.has_killed_for_memory()

    def _processes(self) -> list[int]:
        """The program and what it started, not those that stand around it; none before it starts."""
        if self._shim.confined:
            init = self._namespace_init()
            return procfs.descendants(init.pid) if init is not None else []
        if not procfs.is_alive(self._shim.process):
            return []
        ours = self._shim.process.pid  # the shim leads a session, and so does the program
        found = dict.fromkeys([*procfs.descendants(ours), *self._group.pids()])  # parents first
        return [pid for pid in found if procfs.session(pid) not in (None, ours)]

    def _living(self) -> set[Identity]:
        """Who belongs to the dyno and has not ended, also those whom only its group tells; reads all of /proc."""
        grouped = (procfs.identify(pid) for pid in self._group.pids())
        return self._tree.members().union(who for who in grouped if who is not None)

    def _namespace_init(self) -> Identity | None:
        if not self._shim.confined:
            return None
        if self._init is None:
            self._init = self._folder.namespace_init()
        return self._init if self._init is not None and procfs.is_alive(self._init) else None

    def _end_all(self) -> None:
        """Kill until nobody is left and the shim has nothing to start any more; blocks."""
        deadline = time.monotonic() + _KILL_WITHIN_SECONDS
        while True:
            if (init := self._namespace_init()) is not None:
                proc.send(init, signal.SIGKILL)
                proc.wait_blocking({init}, within=_KILL_WITHIN_SECONDS)  # it dies last of all in there
            self._tree.kill()
            self._group.kill()
            if self._folder.has_ended() or time.monotonic() > deadline:
                return
            time.sleep(_PAUSE_SECONDS)  # killed so early that the shim has not started the program yet

    def _settled_status(self) -> int:
        if self._status is None:
            self._status = self._folder.exit_status()
        return self._status

    def _scratch_bytes(self, processes: Sequence[int]) -> int:
        """What files take in memory; each process sees the same ones: the first that lets us look tells."""
        if not self._shim.confined:
            return 0
        for pid in processes:
            with contextlib.suppress(OSError):
                on_disk = os.stat(self._folder.path).st_dev  # there lies a copy of the slug
                used = {}
                for name in _MEMORY_FOLDERS:
                    path = f"/proc/{pid}/root/{name}"
                    usage, device = os.statvfs(path), os.stat(path).st_dev
                    used[device] = (usage.f_blocks - usage.f_bfree) * usage.f_frsize
                return sum(size for device, size in used.items() if device != on_disk)
        return 0


def _send(processes: Sequence[int], number: int) -> None:
    for pid in processes:
        if (who := procfs.identify(pid)) is not None:
            proc.send(who, number)
