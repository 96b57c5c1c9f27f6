"""A real systemd as PID 1 of namespaces: its processes, /etc, /run and cgroup tree are its own, network and disk are ours.

It starts no unit of this machine: of those it knows targets alone, and whatever a test installs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.harness import Result, eventually, read_until

SYSTEMD = Path("/lib/systemd/systemd")
TARGETS = ("basic", "sysinit", "sockets", "multi-user", "network-online", "shutdown", "slices", "timers", "paths")

# /proc/sys is read-only, so that nothing of this machine is tuned; the console is a file of the test's.
_BOOT = """
set -eu
cd "$1"
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
umount -l /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mkdir /run/lock /run/etc /run/etc/upper /run/etc/work
cp -a /etc/systemd/system.conf /run/ 2>/dev/null || true
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work /etc
mount -t tmpfs tmpfs /etc/systemd/system
mount --bind console /dev/console
mount --bind /dev/null /dev/kmsg
mount --bind srv /srv
exec "$2" --system --unit=multi-user.target --log-target=console --show-status=no
"""


class Machine:
    """Boots in `folder`; what it has at /srv is `folder/srv`."""

    def __init__(self, folder: Path, cgroup: Path) -> None:
        self.folder = folder
        self.cgroup = cgroup
        self.srv = folder / "srv"
        self._process: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Return once systemd says that it runs."""
        self.srv.mkdir(parents=True)
        (self.folder / "console").touch()
        units = self.folder / "targets"
        units.mkdir()
        for name in TARGETS:
            shutil.copy(f"/lib/systemd/system/{name}.target", units)
        words = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--cgroup", "--uts",
                 "--ipc", "/bin/sh", "-c", _BOOT, "boot", str(self.folder), str(SYSTEMD)]  # fmt: skip
        with open(self.folder / "boot.log", "wb") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", 'echo 0 >"$0" && exec "$@"', str(self.cgroup / "cgroup.procs"), *words],
                env=self._environ(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        eventually(self._is_running, what="systemd to run")

    def stop(self) -> None:
        """End it with all that runs in it, at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def run(self, *argv: str, cwd: Path | str = "/") -> Result:
        """Run a program in there, as root at its shell would."""
        done = subprocess.run(
            self._enter(cwd, *argv),
            env=self._environ(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        return Result(done.returncode, done.stdout, done.stderr)

    def killed_after(self, said: str, *argv: str) -> None:
        """Run a program in there and kill it once it has said something on its stderr."""
        with subprocess.Popen(
            self._enter("/", *argv), env=self._environ(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as program:
            assert program.stderr is not None
            read_until(program.stderr, said)
            for child in _children(program.pid):  # nsenter itself stays outside
                os.kill(child, signal.SIGKILL)

    def ok(self, *argv: str) -> str:
        """The same as `run`; it must succeed. Gives what it printed."""
        result = self.run(*argv)
        assert result.exit_code == 0, f"{' '.join(argv)}: {result.output}\n{self.console()[-3000:]}"
        return result.stdout

    @property
    def pid(self) -> int:
        """Of its PID 1, as we see it."""
        assert self._process is not None
        return _children(self._process.pid)[0]

    def console(self) -> str:
        return (self.folder / "console").read_text(errors="replace") + (self.folder / "boot.log").read_text(errors="replace")

    def properties(self, unit: str, *names: str) -> dict[str, str]:
        """What `systemctl show` says."""
        lines = self.ok("systemctl", "show", unit, *(f"--property={name}" for name in names)).splitlines()
        return dict(line.split("=", 1) for line in lines)

    def _enter(self, cwd: Path | str, *argv: str) -> list[str]:
        spaces = ("--mount", "--pid", "--cgroup", "--uts", "--ipc")
        return ["nsenter", "--target", str(self.pid), *spaces, f"--wd={cwd}", *argv]

    def _is_running(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.console()
        with contextlib.suppress(OSError, IndexError):
            return "multi-user.target" in self.run("systemctl", "list-units", "--state=active").stdout
        return False

    def _environ(self) -> Mapping[str, str]:
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
            "container": "pushd-test", "SYSTEMD_UNIT_PATH": f"/etc/systemd/system:{self.folder}/targets",
        }  # fmt: skip


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
