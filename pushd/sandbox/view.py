"""What a confined program sees of the machine, and what it may take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pushd.model.secret import Environ

APP = Path("/app")
STORAGE = Path("/storage")
STANDARD_PATH = "/usr/local/bin:/usr/bin:/bin"


class Kind(StrEnum):
    """A dyno gets a private writable layer over its slug and outlives the daemon; a build writes into its tree and does not."""

    DYNO = "dyno"
    BUILD = "build"


@dataclass(frozen=True, slots=True)
class Bind:
    """A folder or file of the machine, shown at `at`, else at its own path."""

    source: Path
    at: Path | None = None
    inode: tuple[int, int] | None = None  # device and inode that must be there, where somebody could put another in its place
    is_found: bool = (
        False  # by listing the folder it lies in, as Python finds a package; others are reached by their path alone
    )

    @property
    def destination(self) -> Path:
        return self.at or self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one program may take, with all that it starts; a control group holds it to that, where there is one.

    Elsewhere the kernel holds each process to `data_bytes` (RLIMIT_DATA), and a user namespace to `processes` (RLIMIT_NPROC).
    A build is watched besides, and ended when it takes more. Without a sandbox nothing holds `scratch_bytes`.
    """

    scratch_bytes: int  # of each of: the private layer on /app, /tmp, /dev/shm; they live in memory
    memory_bytes: int | None = None  # None: no limit
    data_bytes: int | None = None  # of each process; None: no limit
    processes: int = 2048  # threads count
    open_files: int = 65536  # of each process
    processors: float | None = None  # None: as much as is free
    share: float = 1.0  # of the processors, while they are short
    low_priority: bool = False  # gives way to everything else on the machine; for builds


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that a program needs besides its own argv.

    `scratch`, an empty folder of this run alone, is where a dyno's private layer is mounted, or its copy of the slug lies;
    whoever made it removes it. Binds should keep their own paths where they can: without a sandbox only those exist.
    """

    kind: Kind
    root: Path  # shown at /app: the slug of a dyno, the tree of a build
    environ: Environ  # all variables but HOME; PATH if it is not the standard one. Config vars belong here, never into an argv
    limits: Limits
    scratch: Path | None = None  # dynos only
    read_only: tuple[Bind, ...] = ()
    read_write: tuple[Bind, ...] = ()
    user: int | None = None  # the app's own uid, where programs of apps can have one; else they are whom the sandbox makes them
    terminal: bool = False  # its stdin is one, and becomes its controlling terminal
    interpreters: tuple[Path, ...] = ()  # programs such as a virtualenv's bin/python: shown with what their links lead to
