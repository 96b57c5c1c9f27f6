"""Runs dynos on this machine: each in the sandbox, under a shim that outlives the daemon.

A daemon may be killed between any two lines of `start`: the folder is made first, and every process carries the dyno's id
in its environment, so the next daemon finds and ends what no identity names.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from pushd.kit import proc, procfs
from pushd.kit.aio import finish, in_thread
from pushd.kit.cgroup import Group
from pushd.kit.cgroup_tree import MEMORY
from pushd.kit.disk import is_full
from pushd.kit.ownership import lend, make_owned, make_shared, maybe_sealed
from pushd.kit.proc import Tree
from pushd.kit.spawn import spawn
from pushd.layout import Layout
from pushd.model.resources import Resources, vast_bytes
from pushd.model.secret import Environ
from pushd.runner.schedulers import CannotStart, Start, Uids
from pushd.runner.schedulers.handle import MARK, LocalHandle
from pushd.runner.schedulers.shim import ALIVE_FD, SHIM, STDERR_FD, STDIN_FD, STDOUT_FD, DynoFolder, Shim
from pushd.sandbox.fence import NO_FENCE, Fence
from pushd.sandbox.sandbox import Confined, Sandbox, bound_of
from pushd.sandbox.view import STORAGE, Bind, Kind, Limits, View

log = logging.getLogger(__name__)

SHIMS = "shims"  # they must outlive what is ended with its dyno's group
_UNUSED_BYTES = 1 << 30  # of what a process may map beside: stacks of threads, what a runtime reserves
_DYNO = "dyno-"
_SHELL = "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh"

# $1 is the command line. As on Heroku it may use what the profile scripts export. The last shell replaces itself by a
# simple command, so that signals reach the program. Config vars cannot begin with "__", so these two hide none.
_LAUNCH = f"""__command=$1
set --
for __profile in .profile.d/*.sh .profile; do [ -f "$__profile" ] && . "./$__profile"; done
exec {_SHELL} -c "$__command"
"""


class LocalScheduler:
    """Fits `Scheduler`."""

    def __init__(self, layout: Layout, sandbox: Sandbox, uids: Uids, fence: Fence = NO_FENCE) -> None:
        """`fence`: around the ports of dynos."""
        self._layout = layout
        self._uids = uids
        self._fence = fence
        self._sandbox = sandbox
        self._groups = sandbox.groups  # each dyno's processes are in one of its own

    async def start(self, start: Start) -> LocalHandle:
        """Start one process tree. Raises: CannotStart, OSError for a full disk; nothing of it is left then."""
        folder = DynoFolder(self._layout.dyno(start.dyno_id))
        if not await in_thread(start.slug.is_dir):
            raise CannotStart(f"Cannot start {start.name}: its slug {start.slug} is gone.", remedy="Push again.")
        user = await self._uids.uid_of(start.app_id)
        try:
            await in_thread(make_owned, start.storage, user)
            if start.environment is not None:
                await in_thread(make_shared, start.environment.parent, user)
            await in_thread(self._sandbox.get_ready_for, user)
            await finish(in_thread(folder.make, user), within=30)
            handle = self._spawn(start, folder, user)
        except FileExistsError as error:
            raise CannotStart(
                f"Cannot start {start.name}: {folder.path} is taken.", remedy="Start it under a new id."
            ) from error
        except BaseException as error:
            await finish(in_thread(folder.remove), within=30)
            if isinstance(error, OSError) and not is_full(error):
                reason = error.strerror or str(error)
                raise CannotStart(
                    f"Cannot start {start.name}: {reason}.", remedy="Look for room on the disk and in memory."
                ) from error
            raise
        try:  # while it boots: that takes longer
            if handle.door is not None:
                await self._fence.open(*handle.door)
        except BaseException:
            await finish(handle.release(), within=30)
            raise
        return handle

    async def find_leftovers(self, identities: Sequence[tuple[UUID, str]]) -> Sequence[LocalHandle]:
        """Handles of dynos that an earlier daemon started and whose shim still holds their output.

        All else in run/dynos is ended and removed: dynos of another boot, and those whose start was never written down.
        """
        known = dict(identities)
        handles: list[LocalHandle] = []
        for path in await in_thread(_entries, self._layout.dynos):
            dyno_id = _dyno_id(path)
            shim = Shim.parse(known.get(dyno_id, "")) if dyno_id is not None else None
            folder = DynoFolder(path)
            if dyno_id and shim and procfs.is_alive(shim.process) and not await in_thread(folder.is_damaged):
                handles.append(self._handle(dyno_id, folder, shim, is_child=False))
            else:
                await in_thread(_sweep, path, dyno_id)
        await self._fence.reset([handle.door for handle in handles if handle.door is not None])
        known_groups = {f"{_DYNO}{handle.dyno_id}" for handle in handles}
        await in_thread(lambda: self._groups.sweep(_DYNO, keep=known_groups))
        return handles

    async def is_outdated(self, identity: str, app_id: UUID) -> bool:
        """Whether that dyno is another user than one started now would be; where there is no choice none is."""
        user, shim = await self._uids.uid_of(app_id), Shim.parse(identity)
        return user is not None and shim is not None and (shim.user or 0) != user

    def _spawn(self, start: Start, folder: DynoFolder, user: int | None) -> LocalHandle:
        group = self._groups.maybe_make(f"{_DYNO}{start.dyno_id}", bound_of(self._limits(start.resources, None)))
        try:
            return self._spawn_in(group, start, folder, user)
        except BaseException:
            if group is not None:
                group.remove()
            raise

    def _spawn_in(self, group: Group | None, start: Start, folder: DynoFolder, user: int | None) -> LocalHandle:
        mark = {MARK: str(start.dyno_id)}
        launcher = [_SHELL, "-c", _LAUNCH, os.path.basename(_SHELL), start.command]
        with self._confine(start, folder, mark, group, user) as confined:
            with folder.open_for_shim() as (output, alive), _streams(start, output, user) as streams:
                command = ["/bin/sh", "-c", SHIM, "pushd-dyno", str(folder.path), *confined.argv, *launcher]
                knows_all = self._sandbox.confines or group is not None
                pid = spawn(
                    [*self._groups.enter_apart(SHIMS), *(command if knows_all else proc.adopting(command))],
                    env={**confined.env, **mark},
                    stdout=output,
                    fds={**confined.fds, **streams, ALIVE_FD: alive},
                    scope=confined.scope,
                )
        process = procfs.identify(pid)
        if process is None:
            proc.reap(pid)
            raise CannotStart(f"Cannot start {start.name}: its first process ended at once.", remedy="Try again.")
        confined_anew = self._sandbox.confines and start.inside is None
        shim = Shim(
            process=process,
            confined=confined_anew,
            memory_bytes=start.resources.memory_bytes,
            user=user or None,
            port=start.port,
        )
        return self._handle(start.dyno_id, folder, shim, is_child=True)

    def _limits(self, resources: Resources, group: Group | None) -> Limits:
        """The kernel's bound of memory is where R15 is: of the group, or of each process where there is none."""
        most = vast_bytes(resources.memory_bytes, proc.machine_memory_bytes())
        return Limits(
            scratch_bytes=resources.memory_bytes,
            memory_bytes=most,
            data_bytes=None if group is not None and self._groups.holds(MEMORY) else most + _UNUSED_BYTES,
            processes=resources.processes,
            open_files=resources.open_files,
            processors=resources.cpu,
            share=resources.share,
        )

    def _handle(self, dyno_id: UUID, folder: DynoFolder, shim: Shim, *, is_child: bool) -> LocalHandle:
        group = self._groups.group(f"{_DYNO}{dyno_id}")
        return LocalHandle(dyno_id, folder, shim, is_child=is_child, group=group, fence=self._fence)

    def _confine(
        self, start: Start, folder: DynoFolder, mark: Mapping[str, str], group: Group | None, user: int | None
    ) -> Confined:
        """In a sandbox of its own, or in the one of a dyno that runs. Raises: CannotStart if that one has ended."""
        limits = self._limits(start.resources, group)
        where = {"STORAGE_DIR": str(STORAGE if self._sandbox.confines else start.storage)}  # a config var of that name wins
        environ = Environ(where) | start.environ | mark
        environment: tuple[Bind, ...] = ()
        if start.environment is not None:
            environment = (_bind(start.environment, start.name, user),)
        view = _view(start, folder, environ, user, environment, limits)
        if start.inside is None:
            return self._sandbox.confine(view, group=group)
        other = DynoFolder(self._layout.dyno(start.inside))
        first_process = other.namespace_init() if self._sandbox.confines else None
        if other.has_ended() or (self._sandbox.confines and first_process is None):
            raise CannotStart(f"Cannot start {start.name}: the dyno that it was to run in does not run.", remedy="Try again.")
        pid = first_process.pid if first_process else None
        return self._sandbox.enter(replace(view, scratch=other.scratch), pid, group=group)


def _bind(environment: Path, name: str, user: int | None) -> Bind:
    """Shows an environment: what a build could put in its place would show the app's dynos any part of the machine.

    Raises: CannotStart.
    """
    inode = maybe_sealed(environment, user)
    if inode is None:
        raise CannotStart(f"Cannot start {name}: its environment is gone.", remedy="Push again.")
    return Bind(environment, inode=None if user else inode)


def _view(
    start: Start, folder: DynoFolder, environ: Environ, user: int | None, environment: tuple[Bind, ...], limits: Limits
) -> View:
    return View(
        kind=Kind.DYNO,
        root=start.slug,
        scratch=folder.scratch,
        environ=environ,
        limits=limits,
        user=user,
        terminal=start.streams is not None and start.streams.terminal,
        read_only=environment,
        read_write=(Bind(start.storage, at=STORAGE),),
        interpreters=tuple(bind.source / "bin" / "python" for bind in environment),
    )


@contextlib.contextmanager
def _streams(start: Start, output: int, user: int | None) -> Iterator[dict[int, int]]:
    """Number in the shim -> ours: the dyno's own streams, else nothing to read, and all that it writes to `output`."""
    if start.streams is not None:
        for stream in {start.streams.stdin, start.streams.stdout, start.streams.stderr}:
            lend(stream, user)
        yield {STDIN_FD: start.streams.stdin, STDOUT_FD: start.streams.stdout, STDERR_FD: start.streams.stderr}
        return
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield {STDIN_FD: null, STDOUT_FD: output, STDERR_FD: output}
    finally:
        os.close(null)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _dyno_id(path: Path) -> UUID | None:
    try:
        return UUID(path.name)
    except ValueError:
        return None


def _sweep(path: Path, dyno_id: UUID | None) -> None:
    """End whoever carries this dyno's id, the shim too, and remove its folder."""
    folder = DynoFolder(path)
    if dyno_id is not None:
        if (init := folder.namespace_init()) is not None:
            proc.send(init, signal.SIGKILL)
        Tree(None, (MARK, str(dyno_id))).kill()
    try:
        folder.remove()
    except OSError:
        log.exception("cannot remove what a dyno left", extra={"folder": str(path)})
