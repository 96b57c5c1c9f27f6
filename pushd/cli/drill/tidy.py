"""What may lie about once everything is settled: each wanted dyno once, and nothing that a dead daemon left."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

from pushd.cli.drill.held import eventually, hold
from pushd.client.client import Client

# Nothing of these outlives the act that made it.
LEFTOVERS = (
    "slugs/.*/*",
    "repos/*/quarantine/*",
    "repos/*/**/*.lock",
    "repos/*.new",
    "repos/*.gone",
    "uploads/.*",
    "outputs/*/pushes/*",
)
_PROGRAM = b"python\0app.py\0"


def hold_tidy(data: Path, client: Client) -> None:
    """Raises: NotHeld that says what is there too much, or not at all."""
    names = [app["name"] for app in client.apps()]
    eventually(lambda: not pending(client, names), "an end of all that is pending")
    wanted = sum(row["quantity"] for name in names for row in client.formation(name))
    eventually(lambda: len(programs(data)) == wanted, f"{wanted} processes of apps, no more and no less")
    eventually(lambda: len(list((data / "run/dynos").iterdir())) == wanted, "one folder in run/dynos for each dyno")
    for pattern in LEFTOVERS:
        eventually(partial(_is_empty, data, pattern), f"an end of {pattern}")
    eventually(partial(_is_paired, data), "an end of a pack without its index")
    hold(f" {data}/" not in Path("/proc/self/mounts").read_text(), "a mount is left in the scratch folder")


def pending(client: Client, names: list[str]) -> list[str]:
    """The builds and releases that have no end yet."""
    builds = [f"build {each['id']} of {name}" for name in names for each in client.builds(name) if each["status"] == "pending"]
    return builds + [
        f"v{each['version']} of {name}"
        for name in names
        for each in client.releases(name, limit=50)
        if each["status"] == "pending"
    ]


def programs(data: Path) -> list[int]:
    """The processes of apps that run for this data folder."""
    return [pid for pid in processes(data) if _read(pid, "cmdline") == _PROGRAM]


def processes(data: Path) -> list[int]:
    """Every process whose command line or environment names the data folder."""
    mark = os.fsencode(data)
    found = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [pid for pid in found if pid != os.getpid() and mark in _read(pid, "cmdline") + _read(pid, "environ")]


def _is_empty(data: Path, pattern: str) -> bool:
    return not _found(data, pattern)


def _is_paired(data: Path) -> bool:
    stems = [{path.with_suffix("") for path in _found(data, f"repos/*/objects/pack/*.{kind}")} for kind in ("pack", "idx")]
    return stems[0] == stems[1]


def _found(data: Path, pattern: str) -> list[Path]:
    """Looked for again while somebody removes folders in there."""
    while True:
        with suppress(FileNotFoundError):
            return list(data.glob(pattern))


def _read(pid: int, name: str) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""


def end_left_behind(data: Path) -> None:
    """End what still runs for the scratch folder; nothing does, unless the drill itself was cut short."""
    for pid in processes(data):
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
