"""Starts processes, waits for them and ends them with all that they started. Nothing here blocks the loop for long.

`run` is the usual way: one program, its output as it comes, a deadline, nothing left behind. `Tree` finds what belongs to
one program even after it left the process tree and the session; it needs a mark in the environment for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil

from pushd.kit import link, procfs
from pushd.kit.aio import finish, guarded, in_thread
from pushd.kit.bounds import Bounds, TookTooMuch, check_end, watch
from pushd.kit.cgroup import Group
from pushd.kit.ownership import lend
from pushd.kit.procfs import Family, Identity
from pushd.kit.scope import Scope
from pushd.kit.spawn import spawn

log = logging.getLogger(__name__)

MARK = "PUSHD_RUN_ID"  # `run` adds it to the environment, to find again what the program started
OWNER = "PUSHD_RUN_OF"  # and this one if asked to, for a later daemon to find what nobody could end
_CHUNK_BYTES = 1 << 16
_FAIR_SHARE = 2  # so much longer than the handling of its output takes a program waits at its pipe: others have the loop then
_KILL_WITHIN_SECONDS = 10.0


class RanTooLong(TimeoutError):
    """A program was ended because its time was over."""

    def __init__(self, program: str, within: float) -> None:
        super().__init__(f"{program} did not end within {within:g} seconds")
        self.program, self.within = program, within


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    on_output: Callable[[bytes], None],
    within: float,
    cwd: Path | str | None = None,
    stdin: int | None = None,
    fds: Mapping[int, int] | None = None,
    grace: float = 1.0,
    bounds: Bounds | None = None,
    owner: str | None = None,
    user: int | None = None,
    scope: Scope | None = None,
) -> int:
    """Run one program in a session of its own and give its exit status, 128 + N after signal N.

    Output:  stdout and stderr merged, handed to `on_output` in the loop as it comes, complete when we return.
    End:     what the program started and left behind is killed, also after a normal end. At the deadline, on cancellation
             and when `on_output` raises: TERM to all of it, `grace` seconds, KILL. Out of `bounds`: KILL at once.
    stdin:   a file descriptor to read from; /dev/null without one. `fds`: number in the program -> ours.
    owner:   whose program this is: `orphans_of` finds what is left of it when we are killed. `user`: the uid that it will take.
    Raises:  RanTooLong after `within` seconds; TookTooMuch; OSError when the program cannot be started.
    """
    mark = (MARK, str(uuid4()))
    env = {**env, mark[0]: mark[1], **({OWNER: owner} if owner is not None else {})}
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            lend(writing, user)
            pid = spawn(argv, env=env, cwd=cwd, stdin=stdin, stdout=writing, stderr=writing, fds=fds, scope=scope)
        finally:
            os.close(writing)
        tree, status = Tree(procfs.identify(pid), mark), None
        try:
            async with asyncio.timeout(within):
                following = _follow(pid, reading, on_output, grace)
                watching = None if bounds is None else watch(bounds, tree.look, pss_bytes)
                status = await (following if watching is None else guarded(following, watching))
                await in_thread(check_end, bounds, status)
        except TookTooMuch:
            grace = 0
            raise
        finally:
            group = None if bounds is None else bounds.group
            await finish(_end(tree, grace if status is None else 0, group), within=grace + 3 * _KILL_WITHIN_SECONDS)
            if status is None:
                reap(pid)
    except TimeoutError as error:
        raise RanTooLong(argv[0], within) from error
    finally:
        os.close(reading)
    return status


@dataclass(frozen=True, slots=True)
class Tree:
    """A program and all that it started: its descendants, and whoever carries its mark (a variable and its value)."""

    root: Identity | None
    mark: tuple[str, str]
    spared: frozenset[int] = frozenset()  # pids that are never among them

    def members(self) -> set[Identity]:
        """Who lives now, zombies not among them. Reads all of /proc: about 5 ms per 100 processes."""
        roots = set(procfs.marked(*self.mark))
        if self.root is not None and procfs.is_alive(self.root):
            roots.add(self.root.pid)
        everyone = roots.union(*(procfs.descendants(pid) for pid in roots))
        return {who for pid in everyone - self.spared if (who := procfs.identify(pid)) is not None}

    def look(self, enough: int) -> Family:
        """Who lives now at a quick look, which is done once there are more than `enough` tasks, however fast they fork.

        Who leaves the tree inside a pid namespace is the child of its first process then; elsewhere the mark tells.
        """
        found = self._near(enough)
        if found.tasks > enough or any(map(procfs.leads_namespace, found.pids)):
            return found
        roots = found.pids.union(procfs.marked(*self.mark, patient=False)) - self.spared
        return procfs.family(roots, enough=enough)

    def _near(self, enough: int = 64) -> Family:
        """The root and the descendants that are nearest to it."""
        roots = [self.root.pid] if self.root is not None and procfs.is_alive(self.root) else []
        return procfs.family(roots, enough=enough)

    def signal(self, number: int) -> None:
        """Send one signal to each of them."""
        for who in self.freeze() if number == signal.SIGKILL else self.members():
            send(who, number)

    def freeze(self) -> set[Identity]:
        """Stop all of them and give them.

        Who dies while it forks leaves a child that only its mark tells, and a child that enters a user namespace hides that
        until its next exec (ptrace(2), "dumpable"). Who is stopped forks nobody, and still shows whose parent it is.
        """
        stopped: set[Identity] = set()
        while running := self.members() - stopped:
            for who in running:
                send(who, signal.SIGSTOP)
            stopped |= running
        return stopped

    def kill(self, within: float = _KILL_WITHIN_SECONDS) -> bool:
        """KILL until nobody is left, also of those who fork meanwhile; blocks. False if some do not die within the time."""
        deadline = time.monotonic() + within
        leaders = {who for pid in self._near().pids if procfs.leads_namespace(pid) and (who := procfs.identify(pid))}
        for who in leaders:
            send(who, signal.SIGKILL)  # the kernel ends all in there, however fast they fork, before this one is dead
        wait_blocking(leaders, within=within)
        while living := self.freeze():
            if time.monotonic() > deadline:
                return False
            for who in living:
                send(who, signal.SIGKILL)
            wait_blocking(living, within=1.0)
        return True


def adopting(argv: Sequence[str]) -> list[str]:
    """The same program, made a sub-reaper first: orphans below it become its children, so that the tree has them all.

    For where no pid namespace does that. Takes some 20 to 50 ms; the program itself is what then runs. Source: prctl(2).
    """
    return [*link.adopting(), *argv]


def orphans_of(owner: str) -> Tree:
    """What `run` started for this owner and nobody ended, because the daemon that did was killed."""
    return Tree(None, (OWNER, owner))


def send(who: Identity, number: int) -> bool:
    """Send a signal to that very process, never to a later one with its pid; False if it is gone or not ours."""
    try:
        pidfd = os.pidfd_open(who.pid)
    except OSError:
        return False
    try:
        if not procfs.is_alive(who):  # asked while the pidfd holds on to whoever has the pid
            return False
        signal.pidfd_send_signal(pidfd, number)
        return True
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(pidfd)


def wait_blocking(all_of: set[Identity], *, within: float) -> bool:
    """Wait in this thread until every one of them has ended; False if the time was over first."""
    deadline = time.monotonic() + within
    for who in all_of:
        try:
            pidfd = os.pidfd_open(who.pid)
        except OSError:
            continue
        try:
            while procfs.is_alive(who):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                poll = select.poll()
                poll.register(pidfd, select.POLLIN)
                poll.poll(left * 1000)
        finally:
            os.close(pidfd)
    return True


async def readable(descriptor: int) -> None:
    """Wait until a descriptor can be read; a pidfd can once its process has ended. Many may wait for the same one."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    own = os.dup(descriptor)  # the loop keeps one callback per number
    loop.add_reader(own, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(own)
        os.close(own)


async def ended(who: Identity) -> None:
    """Wait until that very process has ended, whoever its parent is."""
    try:
        pidfd = os.pidfd_open(who.pid)
    except ProcessLookupError:
        return
    try:
        if procfs.is_alive(who):
            await readable(pidfd)
    finally:
        os.close(pidfd)


def reap(pid: int) -> int | None:
    """The exit status of an ended child, 128 + N after signal N; None while it runs. Once only: its pid is then free again."""
    try:
        result = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return None
    if result is None:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else 128 + result.si_status


def machine_memory_bytes() -> int:
    """All memory of this machine."""
    return int(psutil.virtual_memory().total)


def rss_bytes(of: Sequence[int]) -> int:
    """Resident memory of these processes; pages that they share count for each. About 0.04 ms per process."""
    return sum(_memory(pid, exact=False) for pid in of)


def pss_bytes(of: Sequence[int]) -> int:
    """Their memory with shared pages divided among those who share; a millisecond per process, so only when it matters."""
    return sum(_memory(pid, exact=True) for pid in of)


def _memory(pid: int, *, exact: bool) -> int:
    try:
        process = psutil.Process(pid)
        return int(process.memory_full_info().pss if exact else process.memory_info().rss)
    except psutil.AccessDenied:
        return _memory(pid, exact=False) if exact else 0
    except (psutil.Error, OSError):
        return 0  # it has ended


async def _follow(pid: int, reading: int, on_output: Callable[[bytes], None], grace: float) -> int:
    """Hand over what comes until the program has ended and nobody holds the pipe, or did so for `grace` seconds longer."""
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()
    os.set_blocking(reading, False)
    pidfd = os.pidfd_open(pid)
    loop.add_reader(reading, changed.set)
    loop.add_reader(pidfd, changed.set)
    status, last_words = None, None
    try:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(last_words):
                    await changed.wait()
            changed.clear()
            data = _read(reading)
            if data:
                began = loop.time()
                on_output(data)
                await asyncio.sleep(_FAIR_SHARE * (loop.time() - began))
            if status is None and (status := reap(pid)) is not None:
                loop.remove_reader(pidfd)
                last_words = loop.time() + grace
            if data == b"":
                loop.remove_reader(reading)  # everybody has closed it
            if status is not None and last_words is not None and (data == b"" or loop.time() >= last_words):
                return status
    finally:
        loop.remove_reader(reading)
        loop.remove_reader(pidfd)
        os.close(pidfd)


def _read(reading: int) -> bytes | None:
    """The next piece, b"" at the end, None when there is nothing now."""
    try:
        return os.read(reading, _CHUNK_BYTES)
    except BlockingIOError:
        return None


async def _end(tree: Tree, grace: float, group: Group | None) -> None:
    """End what still lives."""
    if grace > 0:
        await in_thread(tree.signal, signal.SIGTERM)
        await in_thread(lambda: wait_blocking(tree.members(), within=grace))
    if group is not None:
        await in_thread(group.remove)
    if not await in_thread(tree.kill):
        log.error("processes do not die", extra={"pids": sorted(who.pid for who in tree.members())})
