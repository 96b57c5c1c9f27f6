"""Where and how dynos run. A scheduler hides it: no pid leaves this folder, other rooms know target addresses only.

In: a `Start`. Out: a `Handle` to one started dyno. Who calls: the runner. `local` runs them on this machine, each in the
sandbox, with a shim that outlives both the program and the daemon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from pushd.errors import PushdError
from pushd.kit.wires import Streams
from pushd.model.resources import Resources
from pushd.model.secret import Environ


class CannotStart(PushdError):
    """The machine refused to start a dyno (no memory, no room for its files); nothing of it is left."""

    id, status = "cannot_start", 503


class NoRoom(CannotStart):
    """The disk is full: it helps to wait, and the app is not to blame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """All that one process tree needs to start."""

    dyno_id: UUID
    app_id: UUID
    name: str  # "web.1"
    command: str  # one shell line, as in the Procfile
    environ: Environ  # config vars, metadata, PORT, DYNO, ...; HOME and a base PATH are the scheduler's
    slug: Path  # the folder shown at /app
    environment: Path | None  # the virtualenv, read-only at its real path
    storage: Path  # the app's persistent folder, at /storage
    resources: Resources
    port: int | None = None  # its PORT, if visitors are sent there
    inside: UUID | None = None  # a running dyno, whose files and processes it shares; it ends with that one
    streams: Streams | None = None  # None: nothing to read, and what it writes goes to the handle's FIFO


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP socket on which some process of the dyno listens."""

    address: str  # "127.0.0.1", "0.0.0.0", "::", ...
    port: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What a dyno's processes and its scratch files take now."""

    rss_bytes: int
    scratch_bytes: int
    swap_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """What counts against the quota."""
        return self.rss_bytes + self.scratch_bytes + self.swap_bytes


class Handle(Protocol):
    """One started dyno. All calls are safe after its end."""

    dyno_id: UUID
    fifo: Path  # stdout and stderr, in order; whoever reads it reads to the end before `release`
    identity: str  # opaque text: boot id, pids, start times; kept in the store so that a later daemon finds it

    @property
    def life(self) -> str:
        """Opaque text for `Target.life`: of the process that ends when the program does; "" while that is not known."""

    @property
    def memory_bytes(self) -> int:
        """The quota that it was started with."""

    @property
    def user(self) -> int | None:
        """The uid that its program has, where that is none of the daemon's; else None."""

    async def wait(self) -> int:
        """The exit status, 0..255 (128 + N after signal N), once the program has ended; may be awaited many times."""

    def terminate(self) -> None:
        """TERM to the program's process group."""

    def signal(self, number: int) -> None:
        """Any other signal to every process of the dyno; nothing to those that have ended."""

    def kill(self) -> None:
        """KILL to the whole tree, setsid'ed children too."""

    async def release(self) -> None:
        """Let the shim go and remove what the dyno left; call it once the output was read to its end."""

    def listeners(self) -> Sequence[Listener]:
        """The TCP sockets on which processes of this dyno listen (loopback or all addresses, IPv4 and IPv6)."""

    def memory(self) -> Memory:
        """Measured now; zeros when nothing runs."""

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel ended one of its processes, because all of it took far more than the quota; until `release`."""


class Uids(Protocol):
    """What a scheduler needs to know of users."""

    async def uid_of(self, app_id: UUID) -> int | None:
        """The app's own uid; 0 if it has none although we are root; None if we are not."""


class Scheduler(Protocol):
    """Starts dynos and ends those of an earlier daemon."""

    async def start(self, start: Start) -> Handle:
        """Start one process tree. Raises: CannotStart, OSError for a full disk."""

    async def is_outdated(self, identity: str, app_id: UUID) -> bool:
        """Whether a dyno of an earlier daemon is another user than one that is started now would be."""

    async def find_leftovers(self, identities: Sequence[tuple[UUID, str]]) -> Sequence[Handle]:
        """Handles of dynos that an earlier daemon started, running or ended, whose output may still wait in the FIFO.

        Identities of another boot, or whose pids belong to others now, are not among them; their folders are removed.
        Those that `identities` does not name are ended.
        """
