"""The router's table: which hosts lead to which targets. Sent whole by the daemon, applied at once by the router."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class WebState(StrEnum):
    """What an app's web process type is doing, for the answer when there is no target."""

    SERVING = "serving"  # has targets
    BOOTING = "booting"  # requests wait up to the queue time, then H20
    CRASHED = "crashed"  # H10
    NONE = "none"  # scaled to 0, or no `web` process: H14
    BLANK = "blank"  # nothing was pushed yet: H81


@dataclass(frozen=True, slots=True)
class Target:
    """An address the router sends requests to. Named by its dyno's id: a port may be somebody else's tomorrow."""

    dyno_id: str
    name: str  # "web.1", for the log line
    port: int  # on 127.0.0.1
    host: str = "127.0.0.1"
    life: str = ""  # of the process with which the dyno ends, as kit/procfs writes it; "" = not on this machine
    uid: int | None = None  # the app's own, else of who listened there when it was ready; None = unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One app in the table. Pages are whole HTML bodies: the router opens no file and fetches no URL."""

    app_id: str
    app_name: str
    hosts: tuple[str, ...]  # exact names, lower case, without port; a leading "*." matches one label
    targets: tuple[Target, ...] = ()
    state: WebState = WebState.BLANK
    maintenance: bool = False
    maintenance_page: str = ""  # "" = the router's own plain page
    error_page: str = ""
    first_byte_seconds: float = 30.0
    idle_seconds: float = 55.0
    drain_seconds: float = 30.0  # a target that left the table is cut after this
    requests_per_target: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Everything the router knows; `number` grows by one with each table of one daemon's life and past it."""

    number: int
    routes: tuple[Route, ...]
    default_app_id: str = ""  # answers for every Host that no route has; "" = plain 404 page


def table_to_dict(table: Table) -> dict[str, Any]:
    """The table as JSON can hold it."""
    return asdict(table)


def table_from_dict(raw: Mapping[str, Any]) -> Table:
    """The inverse of `table_to_dict`. Raises: ValueError, KeyError or TypeError for anything else."""
    return Table(
        number=int(raw["number"]),
        routes=tuple(_route(row) for row in raw["routes"]),
        default_app_id=str(raw["default_app_id"]),
    )


def _route(row: Mapping[str, Any]) -> Route:
    targets = tuple(Target(**target) for target in row["targets"])
    return Route(**{**row, "hosts": tuple(row["hosts"]), "targets": targets, "state": WebState(row["state"])})
