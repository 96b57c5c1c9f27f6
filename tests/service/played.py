"""systemd, played by its unit files: where it does not run, and to see each of its moves.

What the files say counts: the sockets with their names and backlogs, environment, signals, times, when to restart. The groups
of processes are real ones, in a piece of this machine's cgroup tree.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from pushd.kit.cgroup import Group
from pushd.kit.cgroup_tree import MEMBERS
from tests.e2e.harness import eventually
from tests.service.units import Unit

CGROUPS = "/sys/fs/cgroup"  # as the units have it
_FIRST_FD = 3
_HIGH_FD = 60

# Runs in the new process: puts the sockets where sd_listen_fds(3) looks for them, and says for whom they are.
_EXEC = f"""
import os, sys
count, *argv = sys.argv[1:]
for number in range(int(count)):
    os.dup2({_HIGH_FD} + number, {_FIRST_FD} + number)
    os.close({_HIGH_FD} + number)
pid = str(os.getpid())
os.execve(argv[0], argv, {{**os.environ, "LISTEN_PID": pid, "WATCHDOG_PID": pid}})
"""


class PlayedSystemd:
    """Starts what the units of a folder say, and keeps it up until it is stopped; a context manager."""

    def __init__(
        self, units: Path, cgroup: Path, *, environ: Mapping[str, str], log: Path, watchdog: float | None = None
    ) -> None:
        self._units = {path.name: Unit.read(path) for path in units.iterdir() if path.is_file()}
        self._service, self._dynos = self._units["pushd.service"], self._units["pushd-dynos.service"]
        self._cgroup = cgroup
        self.environ = dict(environ)
        self._log = log
        self._watchdog = watchdog or self._service.seconds("Service", "WatchdogSec")
        self._sockets: list[tuple[str, socket.socket]] = []
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._keeper: subprocess.Popen[bytes] | None = None
        self._main: subprocess.Popen[bytes] | None = None
        self._stopping = False  # somebody has asked for it: the end is no failure
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look_after, name="played-systemd")
        self._last_sign = 0.0
        self.states: list[str] = []  # all that the daemon said of itself
        self.starts = 0
        self.ready = 0
        self.ends: list[int] = []  # how each daemon ended, as Popen tells it
        self.left_behind: list[list[int]] = []  # processes in the unit's own group after each end

    def __enter__(self) -> PlayedSystemd:
        self._notify.bind("\0" + self._notify_name)
        self._notify.settimeout(0.05)
        for name in sorted(name for name in self._units if name.endswith(".socket")):
            self._open(self._units[name])
        self._keeper = self._spawn(self._dynos, {})
        self._thread.start()
        self._start()
        eventually(lambda: self.ready == 1, what="the daemon to be ready")
        return self

    def __exit__(self, *error: object) -> None:
        """As at shutdown: the daemon by its signal, then all that is in the other unit's group."""
        self.stop()
        self._ending.set()
        self._thread.join()
        self._group("pushd-dynos.service").kill()
        if self._keeper is not None:
            self._keeper.wait()
        for _, listening in self._sockets:
            listening.close()
        self._notify.close()

    # --- what an operator does ---------------------------------------------------------------------------------------

    def stop(self) -> None:
        """`systemctl stop`: KillSignal to the main process alone, TimeoutStopSec, then KILL to it."""
        main, self._stopping = self._main, True
        if main is not None and main.poll() is None:
            assert self._service.get("Service", "KillMode") == "process"
            main.send_signal(signal.Signals[self._service.get("Service", "KillSignal")])
            try:
                main.wait(self._service.seconds("Service", "TimeoutStopSec"))
            except subprocess.TimeoutExpired:
                main.kill()
                main.wait()

    def restart(self) -> None:
        """`systemctl restart`; returns once the new daemon says that it is ready."""
        before = self.ready
        self.stop()
        eventually(lambda: self._main is None, what="the end to be noticed")
        self._stopping = False
        self._start()
        eventually(lambda: self.ready > before, what="the daemon to be ready again")

    def signal(self, number: signal.Signals) -> None:
        """Somebody's signal to the daemon, of which systemd knows nothing."""
        assert self._main is not None
        self._main.send_signal(number)

    def address(self, name: str) -> tuple[str, int]:
        """Where the socket of that name listens."""
        found: tuple[str, int] = dict(self._sockets)[name].getsockname()
        return found

    def break_socket(self, name: str) -> None:
        """The socket of that name listens no longer, for whoever has it."""
        dict(self._sockets)[name].shutdown(socket.SHUT_RDWR)

    def mend_socket(self, name: str) -> None:
        """It does again, at the same address."""
        dict(self._sockets)[name].listen()

    def pids(self, unit: str) -> list[int]:
        """Who is in the group of a unit, or below it."""
        return [int(pid) for path in (self._slice / unit).rglob("cgroup.procs") for pid in path.read_text().split()]

    # --- what systemd does -------------------------------------------------------------------------------------------

    @property
    def _slice(self) -> Path:
        return self._cgroup / self._service.get("Service", "Slice")

    @property
    def _notify_name(self) -> str:
        return f"pushd-test-{os.getpid()}-{id(self)}"

    def _open(self, unit: Unit) -> None:
        host = unit.get("Socket", "ListenStream").rpartition(":")[0]  # on a free port: others run tests here too
        listening = socket.create_server((host, 0), backlog=int(unit.get("Socket", "Backlog")))
        assert unit.get("Socket", "Service") == self._service.name
        self._sockets.append((unit.get("Socket", "FileDescriptorName"), listening))

    def _group(self, name: str) -> Group:
        return Group({MEMBERS: self._slice / name})

    def _spawn(self, unit: Unit, environ: Mapping[str, str], *wrapper: str) -> subprocess.Popen[bytes]:
        """Start a unit's program in its group."""
        self._slice.mkdir(exist_ok=True)
        group = self._group(unit.name)
        group.make()
        words = [word.replace(CGROUPS, str(self._cgroup)) for word in unit.command]
        named = {name: value.replace(CGROUPS, str(self._cgroup)) for name, value in unit.environment.items()}
        fds = tuple(range(_HIGH_FD, _HIGH_FD + len(self._sockets))) if wrapper else ()
        with open(self._log, "ab") as log:
            return subprocess.Popen(
                [*group.enter(), *wrapper, *words], env={**self.environ, **named, **environ},
                pass_fds=fds, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _start(self) -> None:
        environ = {
            "NOTIFY_SOCKET": f"@{self._notify_name}",
            "WATCHDOG_USEC": str(int(self._watchdog * 1e6)),
            "LISTEN_FDS": str(len(self._sockets)),
            "LISTEN_FDNAMES": ":".join(name for name, _ in self._sockets),
        }
        for number, (_, listening) in enumerate(self._sockets):
            os.dup2(listening.fileno(), _HIGH_FD + number)
        try:
            self._last_sign = float("inf")  # until it is ready
            self.starts += 1
            self._main = self._spawn(self._service, environ, sys.executable, "-c", _EXEC, str(len(self._sockets)))
        finally:
            for number in range(len(self._sockets)):
                os.close(_HIGH_FD + number)

    def _look_after(self) -> None:
        """Hear what the daemon says, end a silent one, start it again when its end was none that counts as clean."""
        while not self._ending.is_set():
            self._hear()
            main = self._main
            if main is not None and main.poll() is None:
                if time.monotonic() - self._last_sign > self._watchdog:
                    self._abort(main)
            elif main is not None:
                self.ends.append(main.returncode)
                self.left_behind.append(self.pids(self._service.name))
                self._main = None
                if not self._stopping and self._restarts(main.returncode):
                    self._ending.wait(self._service.seconds("Service", "RestartSec"))
                    self._start()

    def _hear(self) -> None:
        with contextlib.suppress(TimeoutError):
            for state in self._notify.recv(4096).decode().splitlines():
                self.states.append(state)
                if state in ("READY=1", "WATCHDOG=1"):
                    self._last_sign = time.monotonic()
                self.ready += state == "READY=1"

    def _abort(self, main: subprocess.Popen[bytes]) -> None:
        """WatchdogSignal, which is SIGABRT where the unit names none; systemd wakes a stopped process for each signal."""
        assert not self._service.all("Service", "WatchdogSignal")
        main.send_signal(signal.SIGABRT)
        main.send_signal(signal.SIGCONT)
        try:
            main.wait(self._service.seconds("Service", "TimeoutStopSec"))
        except subprocess.TimeoutExpired:
            main.kill()
            main.wait()

    def _restarts(self, code: int) -> bool:
        """Restart=on-failure: after any signal but the clean ones, and any exit code but 0 and those that are excepted."""
        assert self._service.get("Service", "Restart") == "on-failure"
        clean = {-signal.SIGHUP, -signal.SIGINT, -signal.SIGTERM, -signal.SIGPIPE, 0}
        return code not in clean | {int(each) for each in self._service.get("Service", "RestartPreventExitStatus").split()}


@contextlib.contextmanager
def played(units: Path, cgroup: Path, **options: object) -> Iterator[PlayedSystemd]:
    """One that runs; nothing is left of it afterwards."""
    with PlayedSystemd(units, cgroup, **options) as systemd:  # type: ignore[arg-type]
        yield systemd
