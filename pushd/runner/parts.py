"""What each dyno plays: its command, how it is probed, how long it may run. Decides only; nothing is started here."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass

from pushd.model.dyno import DynoRole, DynoRow
from pushd.model.formation import WEB
from pushd.model.launch import Launch
from pushd.model.secret import Environ
from pushd.runner.plan import one_off_name
from pushd.runner.probe import Probe
from pushd.runner.process import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """What one-off dynos may take of time."""

    run_seconds: float  # from start to end
    attach_seconds: float  # an attached one waits so long for its client
    idle_seconds: float  # and ends when nothing was sent or received for so long


class Parts:
    """Makes them for one daemon."""

    def __init__(self, *, domain: str, limits: RunLimits, chance: random.Random) -> None:
        self._domain = domain
        self._limits = limits
        self._chance = chance

    def of_formation(self, launch: Launch, name: str, type: str, *, command: str | None = None) -> Part:
        """One dyno of a process type, which comes back after a crash; web is probed."""
        probe = Probe(
            host=f"{launch.app.name}.{self._domain}",
            path=launch.settings["probe-path"],
            asks_http=launch.settings["probe"] == "http",
            within_seconds=launch.settings["boot-timeout-seconds"],
        )
        command = launch.release.process_types[type] if command is None else command
        return Part(launch=launch, name=name, type=type, command=command, probe=probe if type == WEB else None)

    def one_off(
        self,
        launch: Launch,
        command: str,
        type: str,
        *,
        taken: Collection[str],
        name: str | None = None,
        environ: Environ | None = None,
        time_limit_seconds: float | None = None,
        copy: Callable[[bytes], None] | None = None,
    ) -> Part:
        """One that runs once; without a `name` it gets one that is not `taken`, without a limit that of one-offs."""
        return Part(
            launch=launch,
            name=name or one_off_name(type, taken, self._chance),
            type=type,
            command=command,
            one_off=True,
            environ=environ,
            time_limit_seconds=self._limits.run_seconds if time_limit_seconds is None else time_limit_seconds,
            copy=copy,
        )

    def found(self, launch: Launch, row: DynoRow) -> Part:
        """What a dyno of an earlier daemon plays."""
        if row.role is DynoRole.FORMATION:
            return self.of_formation(launch, row.name, row.type, command=row.command or None)  # "": of an older pushd
        return Part(
            launch=launch,
            name=row.name,
            type=row.type,
            command=row.command,
            one_off=True,
            time_limit_seconds=self._limits.run_seconds,
            attended=row.role is DynoRole.ATTENDED,
        )
