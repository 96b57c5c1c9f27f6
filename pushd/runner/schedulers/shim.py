"""The folder of one dyno under run/dynos, and the tiny shell that outlives both its program and the daemon.

Why a shim: a FIFO loses what waits in it when its last holder goes, and an exit status goes to the parent alone. The shim
holds the FIFO open until it is let go, and writes the status into a file. It is /bin/sh because that takes 0.2 MB.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pushd.kit import procfs
from pushd.kit.proc import readable
from pushd.kit.procfs import Identity
from pushd.kit.remove import remove_tree
from pushd.sandbox.argv import STATUS

STDIN_FD, STDOUT_FD, STDERR_FD = 5, 6, 7  # what the program gets as its standard streams
ALIVE_FD = 8
KILLED = 137  # when nobody could tell the status: somebody killed the shim

# $1 is the dyno's folder, then comes the program. "alive" is closed when the program has ended, which whoever reads it
# notices, and also when the shim is killed. "exit" is written in place, so that a full disk cannot lose the status.
# Then it waits for a writer that never comes: `release` ends it. Its own words ("Killed") go to /dev/null.
SHIM = f"""cd "$1" || exit
shift
(exec "$@" <&{STDIN_FD} >&{STDOUT_FD} 2>&{STDERR_FD} {STDIN_FD}<&- {STDOUT_FD}>&- {STDERR_FD}>&- {ALIVE_FD}>&-)
echo $? 1<>exit
exec {ALIVE_FD}>&-
read -r _ <alive"""

_NOT_ENDED = b"-----\n"
_PIPE_BYTES_ROOT, _PIPE_BYTES = 1 << 20, 1 << 18  # an ordinary user who has taken 64 pipes of 1 MiB gets tiny ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Shim:
    """What the store keeps as a dyno's identity, so that a later daemon can take it over."""

    process: Identity
    confined: bool
    memory_bytes: int  # the quota
    user: int | None = None  # the uid that its program has; None: the daemon's, as before there were others
    port: int | None = None  # kept to the app and the router

    def __str__(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> Shim | None:
        """None for a text that we did not write."""
        try:
            fields = json.loads(text)
            return cls(process=Identity(**fields.pop("process")), **fields)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


@dataclass(frozen=True, slots=True)
class DynoFolder:
    """What lies in run/dynos/<dyno id>/."""

    path: Path

    @property
    def output(self) -> Path:
        """The FIFO that takes stdout and stderr."""
        return self.path / "output"

    @property
    def alive(self) -> Path:
        """A FIFO that carries nothing: the shim has it open for writing until the program has ended."""
        return self.path / "alive"

    @property
    def exit(self) -> Path:
        """The exit status as text, once there is one."""
        return self.path / "exit"

    @property
    def scratch(self) -> Path:
        """The sandbox's own: its status file, the mount point of the private layer or the copy of the slug."""
        return self.path / "scratch"

    def make(self, user: int | None = None) -> None:
        """Create it; the program opens its output anew by name (/dev/stdout), so that is its user's.

        Raises: OSError, FileExistsError if this dyno was started before.
        """
        self.path.mkdir(mode=0o700)
        self.scratch.mkdir(mode=0o755)
        os.mkfifo(self.output, 0o600)
        if user is not None:
            os.chown(self.output, user, -1)
        os.mkfifo(self.alive, 0o600)
        self.exit.write_bytes(_NOT_ENDED)

    @contextlib.contextmanager
    def open_for_shim(self) -> Iterator[tuple[int, int]]:
        """Descriptors of `output` and `alive` for the shim to inherit.

        `output` is open for reading too, so that opening never waits and writing works while no daemon reads; it is made
        large: that is how much may wait meanwhile.
        """
        output = os.open(self.output, os.O_RDWR | os.O_CLOEXEC)
        try:
            with contextlib.suppress(OSError):
                fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, _PIPE_BYTES_ROOT if os.geteuid() == 0 else _PIPE_BYTES)
            alive = os.open(self.alive, os.O_RDWR | os.O_CLOEXEC)
            try:
                yield output, alive
            finally:
                os.close(alive)
        finally:
            os.close(output)

    async def program_ended(self) -> None:
        """Wait until nobody has `alive` open for writing; at once if the folder is gone."""
        with self._reading_alive() as reading:
            if reading is not None:
                await readable(reading)

    def has_ended(self) -> bool:
        """Whether `program_ended` would return at once."""
        with self._reading_alive() as reading:
            return reading is None

    @contextlib.contextmanager
    def _reading_alive(self) -> Iterator[int | None]:
        """A descriptor that can be read when the last writer goes; None if there is no writer any more."""
        try:
            reading = os.open(self.alive, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            yield None
            return
        try:
            has_writer = False
            try:
                os.read(reading, 1)  # gives b"" at once when there is none
            except BlockingIOError:
                has_writer = True
            except IsADirectoryError:  # somebody put it there: who cannot be watched counts as ended, and is
                has_writer = False
            yield reading if has_writer else None
        finally:
            os.close(reading)

    def exit_status(self) -> int:
        """What the shim wrote; KILLED if it could not."""
        try:
            return int(self.exit.read_bytes().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return KILLED

    def namespace_init(self) -> Identity | None:
        """Pid 1 of the dyno's pid namespace, whose death takes all in it; None before it starts and after it has ended.

        The pid is bubblewrap's word of some time ago, so the namespace is compared too. bubblewrap's own process may not be
        ours to look at as an ordinary user; then the program, its child, is.
        """
        told = self._told_by_bubblewrap()
        if told is None:
            return None
        who = procfs.identify(told["child-pid"])
        if who is None:
            return None
        seen = (procfs.namespace(pid, "pid") for pid in (who.pid, *procfs.children(who.pid)))
        return who if told["pid-namespace"] in seen else None

    def remove(self) -> None:
        """Delete it with all that the program wrote; fine if it is gone, or no folder. Raises: OSError."""
        remove_tree(self.path)

    def is_damaged(self) -> bool:
        """Whether bubblewrap's status is no longer its own: then nobody can tell which processes are the dyno's."""
        line = self._status_line()
        return line is not None and _parse_status(line) is None

    def _told_by_bubblewrap(self) -> dict[str, int] | None:
        line = self._status_line()
        return None if line is None else _parse_status(line)

    def _status_line(self) -> bytes | None:
        """Written in pieces, so it counts when its newline is there."""
        try:
            line, newline, _ = (self.scratch / STATUS).read_bytes().partition(b"\n")
        except OSError:
            return None
        return line if newline else None


def _parse_status(line: bytes) -> dict[str, int] | None:
    """The numbers in bubblewrap's first line; None for a text that it did not write."""
    try:
        told = json.loads(line)
        return {name: int(told[name]) for name in ("child-pid", "pid-namespace")}
    except (ValueError, TypeError, KeyError):
        return None
