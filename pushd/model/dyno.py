"""A dyno: one supervised process of one release, such as web.1 or run.7; its life is one table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

DYNO_NAME = re.compile(r"(?P<type>[A-Za-z0-9_-]+)\.(?P<number>\d+)")


class DynoState(StrEnum):
    """Inner states; users see four words, `shown_state`."""

    STARTING = "starting"
    UP = "up"
    COOLING = "cooling"  # exited, waits for its next start
    STOPPING = "stopping"  # TERM sent
    KILLING = "killing"  # KILL sent
    DOWN = "down"


class DynoEvent(StrEnum):
    """What may happen to a dyno."""

    READY = "ready"
    EXITED = "exited"
    COOLED = "cooled"
    STOP = "stop"
    GRACE_OVER = "grace over"


S, E = DynoState, DynoEvent
MOVES: Mapping[tuple[DynoState, DynoEvent], DynoState] = MappingProxyType({
    (S.STARTING, E.READY): S.UP, (S.STARTING, E.EXITED): S.COOLING, (S.STARTING, E.STOP): S.STOPPING,
    (S.UP, E.EXITED): S.COOLING, (S.UP, E.STOP): S.STOPPING,
    (S.COOLING, E.COOLED): S.STARTING, (S.COOLING, E.STOP): S.DOWN,
    (S.STOPPING, E.EXITED): S.DOWN, (S.STOPPING, E.GRACE_OVER): S.KILLING, (S.KILLING, E.EXITED): S.DOWN,
    (S.STOPPING, E.STOP): S.STOPPING, (S.KILLING, E.STOP): S.KILLING, (S.DOWN, E.STOP): S.DOWN,  # repeats are fine
})  # fmt: skip

_SHOWN: Mapping[DynoState, str] = MappingProxyType({
    S.STARTING: "starting", S.UP: "up", S.COOLING: "crashed", S.STOPPING: "down", S.KILLING: "down", S.DOWN: "down",
})  # fmt: skip


def shown_state(state: DynoState) -> str:
    """The word a Heroku user knows: starting, up, crashed or down."""
    return _SHOWN[state]


@dataclass(frozen=True, slots=True, order=True)
class Epoch:
    """A release and the number of restarts asked for since the app was made: a new epoch replaces every dyno."""

    release_number: int
    restarts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dyno:
    """A snapshot of one dyno. `id` is new with every start of a process: targets are named by it, never by a port."""

    id: UUID
    app_id: UUID
    name: str  # "web.1"
    type: str  # "web"
    state: DynoState
    epoch: Epoch
    release_id: UUID
    command: str
    size: str  # name of a DynoSize
    port: int | None  # web only
    created_at: datetime
    updated_at: datetime  # when the state changed last


class DynoRole(StrEnum):
    """What a later daemon does with a dyno that it finds running."""

    FORMATION = "formation"  # goes on, and is started again after a crash
    DETACHED = "detached"  # a one-off that goes on to its end
    ATTENDED = "attended"  # a one-off for somebody who was lost with the daemon: it ends


@dataclass(frozen=True, slots=True, kw_only=True)
class DynoRow:
    """What the store keeps of a started process, so that a later daemon goes on with it and never runs it twice."""

    id: UUID
    app_id: UUID
    name: str  # "web.1"
    type: str  # "web"
    role: DynoRole
    command: str
    release_id: UUID
    epoch: Epoch
    port: int | None  # web only
    identity: str  # the scheduler's own words: boot id, pids, start times
    started_at: datetime
    ready_at: datetime | None = None  # since when it is up
    leaving_at: datetime | None = None  # since when it has been told to end
