"""What `pushd install-service` writes: the shipped units with this installation's paths and addresses. Nothing is done here.

Each file begins with a seal, the checksum of the rest: so we know our own files again, of any version and with any addresses,
and one that somebody has edited is neither written over nor taken away.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pushd.errors import PushdError
from pushd.surroundings import SERVICE_DATA_FOLDER

API, ROUTER, SSH = "127.0.0.1:5000", "0.0.0.0:80", "127.0.0.1:2222"  # as the shipped files have them
UNITS = Path("etc/systemd/system")
SERVICE, DYNOS = "pushd.service", "pushd-dynos.service"
SOCKETS = ("pushd-api.socket", "pushd-router.socket", "pushd-ssh.socket")
ENABLED = (DYNOS, *SOCKETS, SERVICE)

_SHIPPED_PROGRAM = "/opt/pushd/bin/pushd"
_SEAL = re.compile(r"# Written by `pushd install-service`; .* Checksum: ([0-9a-f]{64})\n")
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/._+@:-]*")  # systemd gives no other character a meaning of its own
_SHOWN = re.compile(  # all in one look: what was filled in may look like what another one stands for
    r"(?<![\w./])(ListenStream=)?("
    + "|".join(map(re.escape, (API, ROUTER, SSH, _SHIPPED_PROGRAM, SERVICE_DATA_FOLDER)))
    + r")(?![\w-]|\.\w)"
)
_DATA_FOLDER = re.compile(r"^Environment=PUSHD_DATA_DIR=(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What differs from one installation to the next."""

    program: Path
    data_dir: Path = Path(SERVICE_DATA_FOLDER)
    api_listen: str = API
    router_listen: str = ROUTER
    ssh_listen: str = SSH


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """One file; `path` is below the root."""

    path: Path
    text: str


class FileState(StrEnum):
    """What is there in place of a file that we would write."""

    MISSING = "missing"
    SAME = "same"
    OURS = "ours"  # of another version, or with other addresses
    EDITED = "edited"  # or somebody else's


def plan_files(shipped: Path, installation: Installation) -> tuple[ServiceFile, ...]:
    """All files, in the order in which they are written. Raises: PushdError for a path that cannot stand in a unit."""
    for path in (installation.program, installation.data_dir):
        if not _PLAIN_PATH.fullmatch(str(path)):
            raise PushdError(
                f"{path} cannot stand in a unit of systemd.",
                remedy="Take a path of letters, digits and / . _ + @ : - alone: no blanks, quotes, % or $.",
            )
    return tuple(
        ServiceFile(target, sealed(filled_in(source.read_text(), installation))) for source, target in _targets(shipped)
    )


def filled_in(text: str, installation: Installation) -> str:
    """A shipped file with the paths and addresses of this installation."""
    ours = {
        API: installation.api_listen,
        ROUTER: installation.router_listen,
        SSH: installation.ssh_listen,
        _SHIPPED_PROGRAM: str(installation.program),
        SERVICE_DATA_FOLDER: str(installation.data_dir),
    }

    def filled(found: re.Match[str]) -> str:
        stream, shown = found[1] or "", found[2]
        return stream + (ours[shown].removeprefix("unix:") if stream else ours[shown])

    return _SHOWN.sub(filled, text)


def sealed(text: str) -> str:
    """The text below its seal."""
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return f"# Written by `pushd install-service`; changes belong into a drop-in (systemctl edit). Checksum: {checksum}\n{text}"


def state_of(found: str | None, wanted: str) -> FileState:
    """How the text of a file that is there (None: it is not) stands to the one that we want."""
    if found is None:
        return FileState.MISSING
    if found == wanted:
        return FileState.SAME
    seal = _SEAL.match(found)
    if seal and hashlib.sha256(found[seal.end() :].encode()).hexdigest() == seal[1]:
        return FileState.OURS
    return FileState.EDITED


def maybe_data_folder(unit: str) -> Path | None:
    """The data folder that an installed pushd.service names."""
    found = _DATA_FOLDER.search(unit)
    return Path(found[1]) if found else None


def _targets(shipped: Path) -> Iterator[tuple[Path, Path]]:
    """Each shipped file and where it belongs."""
    for source in sorted(shipped.iterdir()):
        if source.is_file():
            yield source, UNITS / source.name
    for folder in ("sysusers.d", "tmpfiles.d"):
        for source in sorted((shipped / folder).iterdir()):
            yield source, Path("etc") / folder / source.name
