"""From a view to argvs: pure. `chain` is what we start; `bubblewrap` is what bubblewrap then reads from a descriptor.

The variables of the program are set by a shell, last of all: it reads them from a descriptor. No link of the chain before may
see them. LD_PRELOAD as a config var would otherwise run the app's code outside of the sandbox, or in it with the rights of
setpriv, which may become every user.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pushd.sandbox.interpreter import find_interpreter
from pushd.sandbox.system import System
from pushd.sandbox.view import APP, STANDARD_PATH, Kind, View

NAMESPACE_FD = 4  # of the mount namespace with a dyno's private layer, as root
FILTER_FD = 10  # where it reads the filter of system calls
ARGUMENTS_FD = 11  # where bubblewrap reads its arguments: none of them, no path, stands in a command line
VARIABLES_FD = 9  # where the last shell reads the program's variables
STATUS_FD = 3  # where it reports the pid of its namespace's first process, and the exit status

# First to go when the machine runs out of memory. The I/O priority counts where the disk's scheduler knows it (bfq), for
# reads and direct writes.
_LOW = """renice -n 19 -p $$ >/dev/null 2>&1
ionice -c 2 -n 7 -p $$ >/dev/null 2>&1
echo 1000 2>/dev/null >/proc/self/oom_score_adj"""

# A dyno goes before whatever else runs here when memory runs out, and a build before that.
_BEFORE_OTHERS = "echo 500 2>/dev/null >/proc/self/oom_score_adj"

# Priority of the whole session, 10: against a busy app a build gets a tenth of the core. At 19 it would get a fiftieth, and a
# push of two seconds would take minutes on a machine whose apps are busy. nice alone does nothing across sessions. Without
# CAP_SYS_ADMIN the kernel refuses (EAGAIN) when somebody did the same in the last 0.1 s: then a process beside the program
# tries again, and the program starts at once.
_GIVE_WAY = """if [ -w /proc/self/autogroup ] && ! { echo 10 >/proc/self/autogroup; } 2>/dev/null; then
( (for _ in 1 2 3 4 5; do sleep 0.2; echo 10 >/proc/self/autogroup && break; done) </dev/null >/dev/null 2>&1 & )
fi"""

# Opened anew through /proc, so that it is read from its start.
_SET_VARIABLES = f""". /proc/self/fd/{VARIABLES_FD}
exec {VARIABLES_FD}<&-"""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_OF_SHELLS = frozenset({"OPTIND", "PPID", "UID", "EUID", "SHELLOPTS", "BASHOPTS", "BASH_VERSINFO"})  # some shell ends at these

_PROCESSES_OF_AN_APP = 16_384  # all of its dynos and its build together; each of these has a bound of its own
_TEMPORARY = Path("/tmp")
LAYER, COPY, STATUS = "layer", "app", "status"  # names in a dyno's scratch folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to confine, as far as this machine allows it."""

    bubblewrap: Path | None = None  # None: programs run plainly
    overlay: bool = False  # a private layer over the slug; else a private copy of it
    user_namespace: bool = False  # for everybody but root
    filter: bytes | None = field(default=None, repr=False)  # of system calls; see filter.py
    scoped: bool = False  # no abstract sockets but those of the program itself; see kit/scope.py
    own_users: bool = False  # programs of an app run as the user that their view names; for root alone
    uid: int = 0
    gid: int = 0

    @property
    def by_root(self) -> bool:
        """Whether root's rights prepare what programs see."""
        return self.bubblewrap is not None and not self.user_namespace


def user_of(way: Way, view: View) -> int | None:
    """The uid that the program takes inside, if it is not the one that starts it."""
    return view.user if way.own_users and view.user else None


def home(way: Way, view: View) -> Path:
    """Where the program finds its root."""
    if way.bubblewrap is not None:
        return APP
    return view.root if view.scratch is None else view.scratch / COPY


def chain(way: Way, view: View) -> list[str]:
    """What to start; the program's own argv goes behind it.

    Each link replaces the one before (exec), so the process that we start becomes bubblewrap's monitor, or the program.
    """
    enter: list[str] = []
    if way.overlay and view.kind is Kind.DYNO:
        enter = ["/usr/bin/env", "unshare", "--user", "--map-root-user", "--mount", "--"]
        if way.by_root:
            enter = ["/usr/bin/env", "nsenter", f"--mount=/proc/self/fd/{NAMESPACE_FD}", "--"]
    script = "\n".join((*limits(view, way), *_root(way, view)))
    inner: list[str] = []
    if way.bubblewrap is not None:
        inner = [str(way.bubblewrap), "--args", str(ARGUMENTS_FD), "--"]
        if (user := user_of(way, view)) is not None:
            inner += become(user)
        if view.terminal:
            inner += ["/usr/bin/setsid", "-c"]
        inner += ["/bin/sh", "-c", "\n".join(_last(way, view)), "pushd-sandbox"]
    return [*enter, "/bin/sh", "-c", script, "pushd-sandbox", str(view.root), str(view.scratch or ""), *inner]


def variables(environ: Mapping[str, str], home: Path) -> bytes:
    """The text that a shell reads to set them; what it cannot set is left out."""
    lines = [_setting(name, value) for name, value in {**environ, "HOME": str(home)}.items() if _NAME.fullmatch(name)]
    return "".join(lines).encode("utf-8", "surrogateescape")


def checks(view: View) -> bytes:
    """What the same shell reads before: it starts nothing when something else came to be shown than was looked at."""
    lines = [
        f'[ "$(stat -c %d:%i {shlex.quote(str(bind.destination))})" = {bind.inode[0]}:{bind.inode[1]} ] ||'
        " { echo 'What the app was to be shown has changed meanwhile.' >&2; exit 71; }\n"
        for bind in (*view.read_only, *view.read_write)
        if bind.inode is not None
    ]
    return os.fsencode("".join(lines))


def _setting(name: str, value: str) -> str:
    line = f"export {name}={shlex.quote(value)}"
    return f"({line}) 2>/dev/null && {line}\n" if name in _OF_SHELLS else f"{line}\n"


def _last(way: Way, view: View) -> Iterator[str]:
    """Shell lines that run where the program will, as whom it will, right before it."""
    yield from inner_limits(view, way)
    if view.limits.low_priority:  # in here: the program has a session of its own
        yield _GIVE_WAY
    yield _SET_VARIABLES
    yield 'exec "$@"'


def become(user: int) -> list[str]:
    """What makes a program that user's, once and for all; it needs three capabilities and leaves none."""
    who = ["--reuid", str(user), "--regid", str(user), "--clear-groups"]
    return ["/usr/bin/setpriv", *who, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"]


def bubblewrap(way: Way, view: View, system: System, hidden: Path | None = None) -> list[str]:
    """bubblewrap's arguments: namespaces, identity, files. `hidden` is our data folder, in case it is below /usr.

    The network is shared: the router and the app's own visitors reach its port on 127.0.0.1.
    """
    app = view.scratch / (f"{LAYER}/app" if way.overlay else COPY) if view.scratch is not None else view.root
    size = str(view.limits.scratch_bytes)
    arguments = ["--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try", "--new-session"]
    arguments += _identity(way, view)
    arguments += ["--die-with-parent"] if view.kind is Kind.BUILD else ["--json-status-fd", str(STATUS_FD)]
    arguments += ["--seccomp", str(FILTER_FD)] if way.filter is not None else []
    arguments += ["--clearenv", "--setenv", "PATH", STANDARD_PATH]  # see `variables`
    for folder in _public_folders(system):
        arguments += ["--perms", "0755", "--dir", str(folder)]
    for shown in system.shown:
        arguments += ["--ro-bind", str(shown), str(shown)]
    for target, place in [*system.links, ("/tmp", Path("/var/tmp"))]:
        arguments += ["--symlink", target, str(place)]
    arguments += _proc(system)
    arguments += ["--dev", "/dev"]
    for writable in ("/dev/shm", "/tmp"):
        arguments += ["--size", size, "--perms", "1777", "--tmpfs", writable]
    arguments += ["--bind", str(app), str(APP)]
    arguments += _own_files(view, system, hidden)
    return [*arguments, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(APP)]


def _public_folders(system: System) -> list[Path]:
    """Those above what is shown, outer ones first: what bubblewrap makes by itself has mode 0700, and hides it from the app."""
    places = [*system.shown, *(place for _, place in system.links)]
    above = {parent for place in places for parent in place.parents if parent not in (Path("/"), *system.shown)}
    first = [Path("/etc"), Path("/var"), Path("/run")]
    return [*first, *sorted(above.difference(first))]


def _identity(way: Way, view: View) -> list[str]:
    """Who the program is: in a user namespace; or whom `become` makes it; or, as root, uid 0 without any capability."""
    if way.user_namespace:
        return ["--unshare-user", "--uid", str(way.uid), "--gid", str(way.gid)]
    needed = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP") if user_of(way, view) is not None else ()
    return ["--cap-drop", "ALL", *(word for name in needed for word in ("--cap-add", name))]


def _proc(system: System) -> Iterator[str]:
    yield from ("--proc", "/proc")
    for path in system.proc_read_only:
        yield from ("--ro-bind", str(path), str(path))
    for path in system.proc_empty_folders:
        yield from ("--tmpfs", str(path), "--remount-ro", str(path))
    for path in system.proc_empty_files:
        yield from ("--ro-bind", "/dev/null", str(path))


def _own_files(view: View, system: System, hidden: Path | None) -> Iterator[str]:
    """The view's binds at their places, outer ones first; the folders above them can be passed through, not listed."""
    covered = {*system.shown, *(place for _, place in system.links), APP}
    if hidden is not None and Path("/usr") in hidden.parents:
        yield from ("--perms", "0711", "--tmpfs", str(hidden))
    binds = [("--ro-bind", bind) for bind in view.read_only] + [("--bind", bind) for bind in view.read_write]
    links: dict[Path, str] = {}
    for program in view.interpreters:
        needed, found = find_interpreter(program, hidden)
        binds += [("--ro-bind", bind) for bind in needed if not _is_shown(bind.destination, covered, hidden)]
        links.update((place, target) for target, place in found)
    made: set[Path] = set()
    listed = {bind.destination.parent for _, bind in binds if bind.is_found}
    for option, bind in sorted(binds, key=lambda each: each[1].destination.parts):
        yield from _parents(bind.destination, covered, hidden, made, listed)
        yield from (option, str(bind.source), str(bind.destination))
        if bind.destination != _TEMPORARY:  # what is shown below it needs folders that everybody may pass through
            covered.add(bind.destination)
    for place, target in links.items():
        if not _is_shown(place, covered, hidden):
            yield from _parents(place, covered, hidden, made, listed)
            yield from ("--symlink", target, str(place))


def _parents(place: Path, covered: Iterable[Path], hidden: Path | None, made: set[Path], listed: set[Path]) -> Iterator[str]:
    for parent in reversed(place.parents):
        if parent not in made and parent != Path("/") and not _is_shown(parent, covered, hidden):
            made.add(parent)
            yield from ("--perms", "0755" if parent in listed else "0711", "--dir", str(parent))


def _is_shown(path: Path, covered: Iterable[Path], hidden: Path | None) -> bool:
    """Whether something that is mounted already brings `path` with it."""
    above = [each for each in covered if each == path or each in path.parents]
    if hidden is None or not (hidden == path or hidden in path.parents):
        return bool(above)
    return any(each == hidden or hidden in each.parents for each in above) or path == hidden


def limits(view: View, way: Way) -> Iterator[str]:
    """Shell lines. A limit that the machine keeps lower stays as it is; dash and bash name the process limit differently."""
    given = view.limits
    yield "ulimit -c 0"
    yield f"ulimit -n {given.open_files} 2>/dev/null"
    if user_of(way, view) is not None:  # it counts all that the app runs
        yield _process_limit(_PROCESSES_OF_AN_APP)
    if given.data_bytes is not None:
        yield f"ulimit -d {given.data_bytes // 1024}"
    if view.kind is Kind.DYNO:
        yield _BEFORE_OTHERS
    if given.low_priority:
        if way.bubblewrap is None:
            yield _GIVE_WAY
        yield _LOW


def inner_limits(view: View, way: Way) -> Iterator[str]:
    """Shell lines for within the user namespace alone: a limit that is older than it counts all that the daemon's user runs."""
    if way.bubblewrap is not None and way.user_namespace:
        # Above what a build is ended at: one that cannot fork would only hang.
        yield _process_limit(view.limits.processes * (2 if view.kind is Kind.BUILD else 1))


def _process_limit(most: int) -> str:
    return f"ulimit -p {most} 2>/dev/null || ulimit -u {most} 2>/dev/null"


def _root(way: Way, view: View) -> Iterator[str]:
    """Shell lines that prepare /app and start what is behind the two paths. Paths never stand in mount options."""
    plain = way.bubblewrap is None
    if view.kind is Kind.BUILD:
        yield 'cd "$1" && shift 2 && unset OLDPWD && exec "$@"' if plain else 'shift 2; exec "$@"'
        return
    if way.overlay and way.by_root:  # it is there already: see layer.py
        steps = [f'cd "$2/{LAYER}"', f"exec {NAMESPACE_FD}<&-"]
    elif way.overlay:
        steps = [
            f'mkdir -p "$2/{LAYER}"',
            f'mount -t tmpfs -o size={view.limits.scratch_bytes},mode=755 tmpfs "$2/{LAYER}"',
            f'cd "$2/{LAYER}"',
            "mkdir lower upper work app",
            'mount --bind "$1" lower',
            "mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work,userxattr overlay app",
        ]
    else:
        steps = [f'mkdir -p "$2/{COPY}" "$2/tmp"', f'cp -a --reflink=auto "$1/." "$2/{COPY}"', f'cd "$2/{COPY}"']
        if (user := user_of(way, view)) is not None:
            steps.insert(2, f'chown -hR {user}:{user} "$2/{COPY}"')
    yield "{ " + " &&\n".join(steps) + "\n} || { echo 'Cannot prepare the files of the app.' >&2; exit 71; }"
    if plain:
        yield f'shift 2; unset OLDPWD; exec setsid {"-c " if view.terminal else ""}"$@"'
    else:  # the program may read the variables of the process that becomes its pid 1
        yield f'exec {STATUS_FD}>>"$2/{STATUS}"; shift 2; unset PWD OLDPWD; exec "$@"'
