"""What may lie about once everything is settled: each wanted dyno once, and nothing that a dead daemon left."""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

from pushd.cli.drill.held import eventually, hold
from pushd.client.client import Client
from pushd.kit import proc, procfs

# Nothing of these outlives the act that made it. All who look whether something was left over look by this.
LEFTOVERS = (
    "slugs/.*/*",
    "repos/*/quarantine/*",
    "repos/*/**/*.lock",
    "repos/*/**/tmp_*",
    "repos/*.new",
    "repos/*.gone",
    "uploads/.*",
    "outputs/*/pushes/*",
)
_PROGRAM = b"python\0app.py\0"
_MARKS = (b"HEROKU_DYNO_ID", os.fsencode(proc.MARK))  # in the environment of each process of a dyno, of a build


def hold_tidy(data: Path, client: Client) -> None:
    """Raises: NotHeld that says what is there too much, or not at all."""
    names = [app["name"] for app in client.apps()]
    eventually(lambda: not pending(client, names), "an end of all that is pending")
    wanted = sum(row["quantity"] for name in names for row in client.formation(name))
    eventually(lambda: len(programs(data)) == wanted, f"{wanted} processes of apps, no more and no less")
    eventually(lambda: len(list((data / "run/dynos").iterdir())) == wanted, "one folder in run/dynos for each dyno")
    for pattern in LEFTOVERS:
        eventually(partial(_is_empty, data, pattern), f"an end of {pattern}")
    eventually(lambda: not unpaired(data), "an end of a pack without its index")
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
    """Every process whose command line or environment names the data folder, whoever started it: to look at, not to end."""
    mark = os.fsencode(data)
    return [pid for pid in procfs.pids() if pid != os.getpid() and mark in _read(pid, "cmdline") + _read(pid, "environ")]


def _is_empty(data: Path, pattern: str) -> bool:
    return not found(data, pattern)


def unpaired(data: Path) -> set[Path]:
    """Packs without their index and the other way round, without the ends of their names."""
    packs, indexes = (
        {path.with_suffix("") for path in found(data, f"repos/*/objects/pack/*.{kind}")} for kind in ("pack", "idx")
    )
    return packs ^ indexes


def found(data: Path, pattern: str) -> list[Path]:
    """Looked for again while somebody removes folders in there."""
    while True:
        with suppress(FileNotFoundError):
            return list(data.glob(pattern))


def _read(pid: int, name: str) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""


def end_left_behind(data: Path) -> None:
    """End what a daemon of the scratch folder started and still runs; nothing does, unless the drill itself was cut short.

    A shell or an editor that somebody opened in there is left alone.
    """
    for pid in processes(data):
        who = procfs.identify(pid)
        if who is not None and _is_ours(data, pid):
            proc.send(who, signal.SIGKILL)


def _is_ours(data: Path, pid: int) -> bool:
    """Whether it is the daemon or its client, by the setting; a dyno or a build, by its mark; the router, by its socket."""
    variables = dict(pair.partition(b"=")[::2] for pair in procfs.environ(pid))
    if variables.get(b"PUSHD_DATA_DIR") == os.fsencode(data):
        return True
    names_it = re.compile(re.escape(os.fsencode(data)) + rb"(?![\w.-])")  # the folder itself, and none that begins like it
    words = os.fsencode("\0".join(procfs.arguments(pid)))
    if not names_it.search(words + b"\0" + b"\0".join(variables.values())):
        return False
    return any(mark in variables for mark in _MARKS) or b"\0pushd.router\0" in words
