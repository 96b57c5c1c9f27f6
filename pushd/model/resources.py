"""What one dyno of a process type, and one build, may take of the machine: dyno sizes, and single figures beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pushd.errors import InvalidParams, NotFound
from pushd.kit.parse import count, number_with_unit

BUILD = "build"  # stands where a process type would
_MEGABYTES = {"": 1, "M": 1, "MB": 1, "G": 1024, "GB": 1024}
_SECONDS = {"": 1, "S": 1, "M": 60, "H": 3600}


@dataclass(frozen=True, slots=True)
class DynoSize:
    """A row of the sizes; the names and what each has of memory are Heroku's, so that habits and scripts fit."""

    name: str
    memory_mb: int
    share: float  # of the processors, while they are short, against a Standard-1X


DYNO_SIZES = (
    DynoSize("Eco", 512, 1),
    DynoSize("Basic", 512, 1),
    DynoSize("Standard-1X", 512, 1),
    DynoSize("Standard-2X", 1024, 2),
    DynoSize("Performance-M", 2560, 4),
    DynoSize("Performance-L", 14 * 1024, 8),
    DynoSize("Performance-L-RAM", 30 * 1024, 8),
    DynoSize("Performance-XL", 62 * 1024, 16),
    DynoSize("Performance-2XL", 126 * 1024, 32),
)
DEFAULT_SIZE = DYNO_SIZES[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What all processes of one dyno, or of one build, may take together; `open_files` is for each of them."""

    memory_mb: int
    cpu: float | None = None  # processors; None: as much as is free
    processes: int = 4096  # threads count
    open_files: int = 65536
    share: float = 1.0  # see DynoSize
    size: str = ""  # name of the dyno size; builds have none
    time_seconds: float = math.inf  # builds only; the server's own limit holds as well
    slug_mb: int = 1024  # builds only

    @property
    def memory_bytes(self) -> int:
        """The quota."""
        return self.memory_mb << 20


def spare_bytes(machine_bytes: int) -> int:
    """The most memory that one dyno or one build gets of a machine, whatever its limits are."""
    return machine_bytes * 3 // 4


def vast_bytes(quota_bytes: int, machine_bytes: int) -> int:
    """Above so much memory a dyno is ended (R15); above its quota it is told (R14)."""
    return min(2 * quota_bytes, spare_bytes(machine_bytes))


_OF_BUILDS = Resources(memory_mb=4096, processes=2048)


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of what can be set: `parse` takes what a person wrote and raises ValueError with the rule."""

    name: str
    field: str  # of Resources, and of our API
    parse: Callable[[str], Any]
    help: str
    of_builds_only: bool = False

    def fits(self, type: str) -> bool:
        """Whether dynos of this type, or builds, have it."""
        return type == BUILD or not self.of_builds_only


FIGURES = (
    Figure("memory", "memory_mb", number_with_unit(_MEGABYTES, 32, 1_000_000, "32M to 1000000M, such as 512M or 1.5G", int),
           "Memory of all its processes together, in megabytes: M, G."),
    Figure("cpu", "cpu", number_with_unit({"": 1}, 0.05, 1024, "0.05 to 1024 processors", float),
           "Processors that it may keep busy at most, such as 0.5; without it, as much as is free."),
    Figure("processes", "processes", count(16, 100_000), "Processes and threads."),
    Figure("open-files", "open_files", count(64, 1_000_000), "Files and connections that one of its processes has open."),
    Figure("time", "time_seconds", number_with_unit(_SECONDS, 10, 604_800, "10 seconds or more, such as 15m", float),
           "Time until a build is ended, in seconds: s, m, h.", of_builds_only=True),
    Figure("slug", "slug_mb", number_with_unit(_MEGABYTES, 1, 1_000_000, "1M to 1000000M, such as 500M", int),
           "Largest slug that a build may make (Heroku: 1 GB), in megabytes: M, G.", of_builds_only=True),
)  # fmt: skip
_BY_NAME = {figure.name: figure for figure in FIGURES}


@dataclass(frozen=True, slots=True)
class AppResources:
    """What was set for one app."""

    sizes: Mapping[str, str] = field(default_factory=dict)  # process type -> name of its dyno size
    figures: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # process type, or BUILD -> name -> text

    def size_of(self, type: str) -> DynoSize:
        """That of a process type; types of which nothing is known, one-off dynos too, have the default."""
        return find_size(self.sizes.get(type, DEFAULT_SIZE.name))

    def of_dyno(self, type: str) -> Resources:
        """For a dyno of this type."""
        chosen = self.size_of(type)
        plain = Resources(memory_mb=chosen.memory_mb, share=chosen.share, size=chosen.name)
        return self._with_figures(plain, type)

    def of_build(self) -> Resources:
        """For a build."""
        return self._with_figures(_OF_BUILDS, BUILD)

    def resized(self, type: str, size: DynoSize) -> AppResources:
        """These with another size of a type, which brings its own memory."""
        return AppResources({**self.sizes, type: size.name}, self.changed(type, {"memory": None}).figures)

    def changed(self, type: str, changes: Mapping[str, str | None]) -> AppResources:
        """These after such a change; None unsets."""
        figures = {**self.figures.get(type, {}), **changes}
        kept = {name: text for name, text in figures.items() if text is not None}
        return AppResources(self.sizes, {**self.figures, type: kept})

    def _with_figures(self, plain: Resources, type: str) -> Resources:
        values = {name: getattr(plain, name) for name in plain.__slots__}
        for name, text in self.figures.get(type, {}).items():
            values[_BY_NAME[name].field] = _BY_NAME[name].parse(text)
        return Resources(**values)


def find_size(name: str) -> DynoSize:
    """By its name, in any letters. Raises: InvalidParams."""
    for size in DYNO_SIZES:
        if size.name.lower() == name.lower():
            return size
    raise InvalidParams(
        f"There is no dyno size {name[:40]!r}.", remedy=f"Sizes: {', '.join(size.name.lower() for size in DYNO_SIZES)}."
    )


def check_figure(type: str, name: str, text: str | None) -> None:
    """Raises: NotFound for a figure that this type does not have, InvalidParams for a value that does not fit; None unsets."""
    figure = _BY_NAME.get(name)
    names = [each.name for each in FIGURES if each.fits(type)]
    if figure is None or name not in names:
        raise NotFound(f"There is no limit called {name[:40]!r} for {type[:40]}.", resource="resource",
                       remedy=f"Limits: {', '.join(names)}.")  # fmt: skip
    if text is None:
        return
    try:
        figure.parse(text)
    except ValueError as error:
        raise InvalidParams(f"Cannot set {name} of {type} to {text[:40]!r}: {error}.", remedy=figure.help) from None
