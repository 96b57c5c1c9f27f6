"""Finds out what this machine allows, by trying it, and confines programs that way from then on."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from pushd.errors import PushdError
from pushd.kit import proc, procfs
from pushd.kit.aio import finish, in_thread
from pushd.kit.bounds import Bounds
from pushd.kit.cgroup import NO_GROUPS, Bound, Group, Groups
from pushd.kit.disk import is_full, room_of
from pushd.kit.handed import in_memory, joined
from pushd.kit.ownership import give
from pushd.kit.scope import Scope, has_scopes
from pushd.model.protection import Protection
from pushd.model.secret import Environ
from pushd.sandbox import argv as argvs
from pushd.sandbox import enter as enters
from pushd.sandbox.argv import Way
from pushd.sandbox.filter import NoFilter, make_filter
from pushd.sandbox.layer import open_layer, open_user_map
from pushd.sandbox.protections import protections
from pushd.sandbox.system import System, find_system
from pushd.sandbox.view import STANDARD_PATH, Kind, Limits, View

log = logging.getLogger(__name__)

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # where the chain finds mount, cp and so on
_TRIAL_SECONDS = 20.0
_TRIAL_BYTES = 1 << 20
_TRIAL_FILES = 16
_ELSEWHERE = (Path("/dev/shm"), Path("/tmp"), Path("/var/tmp"))
_GROUP_SECONDS = 30.0
_BUILD = "build-"
_LOW_SHARE = 0.1  # of the processor against one app; why not less: see argv.py


class NoSandbox(PushdError):
    """Nothing confines programs here, and the operator wants none to run then."""

    id, status = "no_sandbox", 500

    def __init__(self, message: str) -> None:
        super().__init__(message, remedy="Make bubblewrap work here, or set sandbox = auto to serve without it.")


@dataclass(frozen=True, slots=True)
class Confined:
    """A program that may start: put `argv` before its own. A context manager: leave it once the program was started."""

    argv: tuple[str, ...]
    env: Environ  # of the process that we start; behind bubblewrap the program gets the view's own
    fds: dict[int, int]  # number that it must see -> ours, as `kit.spawn` takes them
    home: Path  # where the program finds its root: /app, or without a sandbox the real folder
    scope: Scope | None = None  # as `spawn` takes it too

    def __enter__(self) -> Confined:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for descriptor in self.fds.values():
            os.close(descriptor)


class Sandbox:
    """Confines programs in the best way that works here."""

    def __init__(
        self,
        way: Way,
        protections: Sequence[Protection] = (),
        *,
        hidden: Path | None = None,
        groups: Groups = NO_GROUPS,
    ) -> None:
        self.way = way
        self.protections = tuple(protections)
        self._hidden = hidden
        self.groups = groups
        self._system: System = find_system()
        self._user_maps: dict[int, int] = {}  # descriptors, by uid
        self._lock = threading.Lock()

    @classmethod
    async def probe(
        cls,
        folder: Path,
        mode: str = "auto",
        *,
        data: Path | None = None,
        groups: Groups = NO_GROUPS,
        user: int | None = None,
        no_user: str = "",
        search_path: str = SYSTEM_PATH,
    ) -> Sandbox:
        """Try the ways, best first, by really starting programs, and take the first that holds.

        `folder` must exist and lie on the disk of the slugs; nothing stays in it. `mode` "off" runs programs plainly.
        `user`: a uid for the trial of what gives each app its own; without one none has, and `no_user` says why.
        `groups`: where each program has a control group of its own, if there can be some.
        Raises: NoSandbox when nothing works and `mode` is "require".
        """
        no_filter = ""

        def found(way: Way, why_not: str) -> Sandbox:
            if way.bubblewrap is None and mode == "require":
                raise NoSandbox(f"cannot serve without a sandbox: {why_not}")
            return cls(way, protections(way, why_not, groups, no_user, no_filter), hidden=data, groups=groups)

        if mode == "off":
            return found(Way(), "it is switched off by the setting sandbox = off")
        program = shutil.which("bwrap", path=search_path)
        if program is None:
            return found(Way(), "bwrap is not installed: apt-get install bubblewrap")
        failures: list[str] = []
        try:
            filter, no_filter = await in_thread(make_filter), ""
        except NoFilter as error:
            filter, no_filter = None, str(error)
        for way in _ways(Path(program), filter, own_users=user is not None):
            sandbox = cls(way, hidden=data)
            if (failure := await sandbox._try_where_room_is(folder, user)) is None:
                return found(way, "; ".join(failures))
            failures.append(failure)
        return found(Way(), failures[-1])

    @property
    def confines(self) -> bool:
        """Whether programs are behind bubblewrap; else they run plainly."""
        return self.way.bubblewrap is not None

    def confine(self, view: View, *, group: Group | None = None) -> Confined:
        """Make ready to start one program with this view, in this control group.

        Raises: OSError when the machine has no memory for it.
        """
        home = argvs.home(self.way, view)
        prefix = (*_entry(group), *argvs.chain(self.way, view))
        if self.way.bubblewrap is None:
            variables = {"PATH": STANDARD_PATH} | dict(view.environ) | {"HOME": str(home)}
            if view.scratch is not None:
                variables["TMPDIR"] = str(view.scratch / "tmp")
            return Confined(prefix, Environ(variables), {}, home)
        arguments = argvs.bubblewrap(self.way, view, self._system, self._hidden)
        fds = {argvs.ARGUMENTS_FD: in_memory(joined(arguments))}
        with contextlib.ExitStack() as failed:
            failed.callback(os.close, fds[argvs.ARGUMENTS_FD])
            given = argvs.variables({"PATH": STANDARD_PATH} | dict(view.environ), home)
            fds[argvs.VARIABLES_FD] = in_memory(argvs.checks(view) + given)
            failed.callback(os.close, fds[argvs.VARIABLES_FD])
            if self.way.filter is not None:
                fds[argvs.FILTER_FD] = in_memory(self.way.filter)
                failed.callback(os.close, fds[argvs.FILTER_FD])
            if self.way.by_root and self.way.overlay and view.scratch is not None:
                fds[argvs.NAMESPACE_FD] = self._open_layer(view, view.scratch)
            failed.pop_all()
        scope = Scope(outlives_us=view.kind is not Kind.BUILD) if self.way.scoped else None
        return Confined(prefix, Environ({"PATH": SYSTEM_PATH}), fds, home, scope)

    def _open_layer(self, view: View, scratch: Path) -> int:
        user = argvs.user_of(self.way, view)
        owner = None if user is None else (user, self._user_map(user))
        return open_layer(view.root, scratch, size_bytes=view.limits.scratch_bytes, owner=owner)

    def get_ready_for(self, user: int | None) -> None:
        """What the first program of a user needs beforehand; blocks for some milliseconds. Raises: OSError."""
        if user and self.way.own_users and self.way.overlay:
            self._user_map(user)

    def _user_map(self, user: int) -> int:
        """One for each app, kept open: to make it takes as long as all the rest."""
        with self._lock:
            if user not in self._user_maps:
                self._user_maps[user] = open_user_map(user)
            return self._user_maps[user]

    def enter(self, view: View, first_process: int | None, *, group: Group | None = None) -> Confined:
        """Make ready to start one more program where the dyno with this view runs.

        `first_process`: of the dyno's pid namespace, if it has one. Raises: OSError when it is gone, or no memory is left.
        """
        home = argvs.home(self.way, view)
        defaults = {"PATH": STANDARD_PATH}
        if self.way.bubblewrap is None and view.scratch is not None:
            defaults["TMPDIR"] = str(view.scratch / "tmp")
        fds = {argvs.VARIABLES_FD: in_memory(argvs.variables({**defaults, **view.environ}, home))}
        with contextlib.ExitStack() as failed:
            failed.callback(os.close, fds[argvs.VARIABLES_FD])
            if self.way.filter is not None:
                fds[argvs.FILTER_FD] = in_memory(_entering_filter())
                failed.callback(os.close, fds[argvs.FILTER_FD])
            if self.way.user_namespace and first_process is not None:
                found = procfs.open_user_namespaces(first_process)
                fds[enters.OWNER_FD] = found.owner
                if found.own is not None:
                    fds[enters.OWN_FD] = found.own
            failed.pop_all()
        nested = enters.OWN_FD in fds
        argv = enters.chain(self.way, view, first_process, nested=nested)
        return Confined((*_entry(group), *argv), Environ({"PATH": SYSTEM_PATH}), fds, home)

    async def run(
        self, view: View, argv: Sequence[str], *, on_output: Callable[[bytes], None], within: float, stdin: int | None = None
    ) -> int:
        """Run one program confined, to its end, and give its exit status; see `kit.proc.run`.

        Raises: RanTooLong; TookTooMuch when all that it started takes more than the view's limits; OSError.
        """
        group = await self._group_of_build(view.limits)
        bounds = Bounds(tasks=view.limits.processes, memory_bytes=view.limits.memory_bytes, group=group)
        try:
            with self.confine(view, group=group) as confined:
                return await proc.run(
                    [*confined.argv, *argv],
                    env=confined.env,
                    on_output=on_output,
                    within=within,
                    stdin=stdin,
                    fds=confined.fds,
                    user=argvs.user_of(self.way, view),
                    bounds=bounds,
                    owner=None if self._hidden is None else owner_of(self._hidden),
                    scope=confined.scope,
                )
        except OSError:  # it was never started
            if group is not None:
                await in_thread(group.remove)
            raise

    async def _group_of_build(self, limits: Limits) -> Group | None:
        """One more group, which is not left there when we are cancelled while it is made."""
        name = f"{_BUILD}{uuid4()}"
        try:
            return await finish(in_thread(self.groups.maybe_make, name, bound_of(limits)), within=_GROUP_SECONDS)
        except asyncio.CancelledError:
            self.groups.group(name).remove()  # empty: at once
            raise

    def end_orphans(self) -> None:
        """End what a killed daemon of this data folder ran and could not end. Blocks."""
        self.groups.sweep(_BUILD)
        if self._hidden is None:
            return
        orphans = proc.orphans_of(owner_of(self._hidden))
        if left := orphans.members():
            log.warning("ended orphans of builds", extra={"count": len(left), "all": orphans.kill()})

    async def _try_where_room_is(self, folder: Path, user: int | None) -> str | None:
        """As `_try`, in that folder or, while its disk is full, elsewhere, which says as much, as a rule.

        Where no disk has room this way counts as holding: what does not hold starts no program, and protects all the same.
        """
        for place in (folder, *_ELSEWHERE):
            try:
                if not room_of(place).lack(reserve_bytes=_TRIAL_BYTES, reserve_files=_TRIAL_FILES):
                    return await self._try(place, user)
            except OSError as error:
                if place == folder and not is_full(error):
                    raise
        log.warning("the sandbox was not tried: no disk has room", extra={"program": self.way.bubblewrap})
        return None

    async def _try(self, folder: Path, user: int | None) -> str | None:
        """Start a program with a dyno's view and one with a build's; None if both hold, else what went wrong."""
        user = user if self.way.own_users else None
        with tempfile.TemporaryDirectory(prefix=".sandbox-trial-", dir=folder) as name:
            trial = Path(name)
            slug, scratch = trial / "slug", trial / "scratch"
            slug.mkdir()
            scratch.mkdir()
            (slug / "file").write_text("slug\n")
            for kind in (Kind.DYNO, Kind.BUILD):
                view = View(kind=kind, root=slug, scratch=scratch if kind is Kind.DYNO else None, environ=Environ(),
                            limits=Limits(scratch_bytes=_TRIAL_BYTES), user=user)  # fmt: skip
                if kind is Kind.BUILD and user is not None:
                    give(slug, user)
                who = "" if user is None else f'test "$(id -u)" = {user} && '
                if failure := await self._trial(view, f'{who}grep -q slug file && echo {kind} >file && test ! -e "{slug}"'):
                    return failure
                if kind is Kind.DYNO and (slug / "file").read_text() != "slug\n":
                    return "writes to /app reach the slug"
        return None

    async def _trial(self, view: View, script: str) -> str | None:
        output: list[bytes] = []
        try:
            status = await self.run(view, ["/bin/sh", "-c", script], on_output=output.append, within=_TRIAL_SECONDS)
        except (OSError, proc.RanTooLong) as error:
            return str(error)
        if status == 0:
            return None
        lines = b"".join(output).decode(errors="replace").strip().splitlines()
        return lines[0] if lines else f"the trial ended with status {status}"


def _ways(program: Path, filter: bytes | None, *, own_users: bool) -> list[Way]:
    """Best first. Root inside a container may lack CAP_SYS_ADMIN: then a user namespace may still work.

    A user of its own for each app is worth a copy of the slug: older kernels show no files as somebody else's. Each way is
    tried with a filter of system calls and a scope, then without.
    """
    uid, gid = os.geteuid(), os.getegid()
    ways = []
    if uid == 0 and own_users:
        ways += [Way(bubblewrap=program, overlay=overlay, own_users=True) for overlay in (True, False)]
    for overlay in (True, False):
        if uid == 0:
            ways.append(Way(bubblewrap=program, overlay=overlay))
        ways.append(Way(bubblewrap=program, overlay=overlay, user_namespace=True, uid=uid, gid=gid))
    filters = [filter] if filter is None else [filter, None]
    scopes = [True, False] if has_scopes() else [False]
    return [replace(way, filter=each, scoped=scoped) for way in ways for each in filters for scoped in scopes]


def bound_of(limits: Limits) -> Bound:
    """What a control group holds one program to, with all that it starts."""
    share = _LOW_SHARE if limits.low_priority else limits.share
    return Bound(tasks=limits.processes, memory_bytes=limits.memory_bytes, processors=limits.processors, share=share)


def _entering_filter() -> bytes:
    """Raises: OSError."""
    try:
        return make_filter(entering=True)
    except NoFilter as error:
        raise OSError(errno.ENOMEM, str(error)) from error


def owner_of(data: Path) -> str:
    """How what we run is marked as ours; builds may read it, and do not learn from it where the data folder is."""
    return f"pushd-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"


def _entry(group: Group | None) -> tuple[str, ...]:
    return () if group is None else group.enter()
