"""Decisions of the runner, without loop, clock or disk: what to start and stop, with which environment, and when again."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from pushd.model.dyno import DYNO_NAME, Dyno, DynoRole, DynoRow, DynoState, Epoch
from pushd.model.formation import RELEASE, WEB
from pushd.model.launch import Launch
from pushd.model.routing import WebState
from pushd.model.secret import Environ

HEALTHY_SECONDS = 60.0  # a dyno that ran so long starts its count of crashes anew
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 300.0
_JITTER = 0.25
_ONE_OFF_NUMBERS = range(1000, 10_000)  # Heroku's one-offs have four digits
_WORKER_MEMORY_MB = 256


@dataclass(frozen=True, slots=True)
class Boot:
    """Start a dyno of this name."""

    name: str
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Retire:
    """Take this dyno away."""

    dyno: Dyno


def plan_formation(wanted: Mapping[str, int], epoch: Epoch, running: Sequence[Dyno]) -> Iterator[Boot | Retire]:
    """Compare what should run with what runs; boots come before retirements.

    An epoch is a release and the number of restarts asked for since: a restart raises it, and so replaces every dyno.
    """
    names = [f"{kind}.{number}" for kind, count in sorted(wanted.items()) for number in range(1, count + 1)]
    current = {dyno.name for dyno in running if dyno.epoch == epoch}
    yield from (Boot(name, epoch) for name in names if name not in current)
    yield from (Retire(dyno) for dyno in running if dyno.epoch != epoch or dyno.name not in names)


class Fate(Enum):
    """What becomes of a dyno of an earlier daemon."""

    SERVES = "serves"  # web: takes traffic if it is up, else as soon as it is
    STAYS = "stays"
    ENDS = "ends"


def plan_adoption(found: Iterable[tuple[DynoRow, bool]], running: UUID | None) -> Mapping[UUID, Fate]:
    """What becomes of one app's dynos, each given with whether it is up, when `running` is the release that should run.

    Dynos of that release go on, one of each name: a daemon killed in the middle of a restart leaves two, and the one that is up
    counts, then the newer one. A one-off that nobody waited for goes on too. All else ends, and so does
    what had been told to end already.
    """
    found = list(found)
    best: dict[str, tuple[bool, Epoch, datetime, UUID]] = {}
    for row, is_up in found:
        if row.role is DynoRole.FORMATION and row.release_id == running and row.leaving_at is None:
            rank = (is_up, row.epoch, row.started_at, row.id)
            best[row.name] = max(best.get(row.name, rank), rank)
    chosen = {dyno_id for *_, dyno_id in best.values()}
    fates = {row.id: Fate.ENDS for row, _ in found}
    fates |= {row.id: Fate.STAYS for row, _ in found if row.role is DynoRole.DETACHED and row.leaving_at is None}
    return fates | {row.id: Fate.SERVES if row.type == WEB else Fate.STAYS for row, _ in found if row.id in chosen}


def web_wanted(launch: Launch) -> Mapping[str, int]:
    """The part of the formation that takes traffic and boots before the old dynos leave."""
    return {kind: count for kind, count in _declared(launch) if kind == WEB}


def rest_wanted(launch: Launch) -> Mapping[str, int]:
    """The part of the formation that must never run twice at once."""
    return {kind: count for kind, count in _declared(launch) if kind not in (WEB, RELEASE)}


def pause_before_start(crashes: int, chance: random.Random) -> float:
    """Seconds to wait before the next start, after so many crashes in a row: 0, then 5, 10, 20 ... up to 300, or a little less.

    By chance up to a quarter is taken off: dynos that crashed together, because a database went away, come back one by one.
    Source: Heroku restarts once at once and then backs off (Dev Center, Dynos); its 10 minutes to 24 hours are too long for
    a person who waits for a database to come back.
    """
    if crashes <= 1:
        return 0.0
    longest = min(FIRST_PAUSE_SECONDS * 2.0 ** min(crashes - 2, 32), LONGEST_PAUSE_SECONDS)
    return longest * chance.uniform(1 - _JITTER, 1)


def environ_of(
    launch: Launch, *, name: str, port: int | None, cores: int, memory_mb: int, extra: Mapping[str, str] | None = None
) -> Environ:
    """What one dyno's process gets: our defaults < config vars and metadata < `extra` < DYNO and PORT.

    PORT is for web only. HOME, PATH and the working folder are the scheduler's, GUNICORN_CMD_ARGS is the buildpack's.
    """
    defaults = {
        "PYTHONUNBUFFERED": "1",
        "FORWARDED_ALLOW_IPS": "*",  # only our router reaches the dyno's port
        "WEB_CONCURRENCY": str(web_concurrency(cores, memory_mb)),
    }
    ours = {"DYNO": name} if port is None else {"DYNO": name, "PORT": str(port)}
    return Environ(defaults) | launch.environ | (extra or {}) | ours


def web_concurrency(cores: int, memory_mb: int) -> int:
    """How many workers fit: by cores and by memory, at least one. Source: Heroku's Python buildpack."""
    return max(1, min(2 * cores + 1, memory_mb // _WORKER_MEMORY_MB))


def one_off_name(kind: str, taken: Collection[str], chance: random.Random) -> str:
    """A name such as "run.4821" that no running dyno of the app has."""
    free = [number for number in _ONE_OFF_NUMBERS if f"{kind}.{number}" not in taken]
    return f"{kind}.{chance.choice(free)}"


def web_state(dynos: Iterable[tuple[DynoState, int]], *, wants_web: bool) -> WebState:
    """What visitors meet while no target is ready, from each web dyno's state and crashes in a row.

    BOOTING (requests wait) holds during a first start and from a first crash to the end of the start that follows at once, and
    for a dyno that is up and about to take traffic; from then on it is CRASHED.
    """
    states, soon = list(dynos), (DynoState.STARTING, DynoState.COOLING)
    if any(state is DynoState.UP or (state in soon and crashes <= 1) for state, crashes in states):
        return WebState.BOOTING
    return WebState.CRASHED if states or wants_web else WebState.NONE


def by_name(dyno: Dyno) -> tuple[str, int]:
    """Sorts web.2 before web.10."""
    found = DYNO_NAME.fullmatch(dyno.name)
    return (found["type"], int(found["number"])) if found else (dyno.name, 0)


def _declared(launch: Launch) -> Iterator[tuple[str, int]]:
    yield from ((kind, count) for kind, count in launch.formation.items() if kind in launch.release.process_types)
