"""Whether daemon and router grow: their memory, descriptors and threads, looked at now and then."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment."""

    at: float  # monotonic
    pid: int
    pss_mb: float
    descriptors: int  # without connections: those come and go with visitors
    threads: int


def look(pid: int) -> Sample | None:
    """How the process is now; None once it is gone."""
    try:
        process = psutil.Process(pid)
        connections = sum(each.status == psutil.CONN_ESTABLISHED for each in process.net_connections("tcp"))
        pss = process.memory_full_info().pss / 1e6
        return Sample(time.monotonic(), pid, pss, process.num_fds() - connections, process.num_threads())
    except (psutil.Error, OSError):
        return None


def router_pid(data: Path) -> int | None:
    """Of the router that serves for the daemon of this folder; the youngest if one is just being replaced."""
    found = []
    for process in psutil.process_iter(["cmdline", "create_time"]):
        words = process.info["cmdline"] or []
        if "pushd.router" in words and any(word.startswith(str(data)) for word in words):
            found.append((process.info["create_time"], process.pid))
    return max(found)[1] if found else None


class Sampler:
    """Looks at both in a thread of its own. `daemon` gives the present daemon's pid, or None while there is none."""

    def __init__(self, data: Path) -> None:
        self.daemon_pid: int | None = None
        self.daemon: list[Sample] = []
        self.router: list[Sample] = []
        self._data = data
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="sampler")

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._stop.wait(_PAUSE_SECONDS):
            for pid, samples in ((self.daemon_pid, self.daemon), (router_pid(self._data), self.router)):
                if pid is not None and (sample := look(pid)) is not None:
                    samples.append(sample)


@dataclass(frozen=True, slots=True)
class Growth:
    """The lowest values of the first and the last third of what was looked at: a leak lifts those, a peak does not."""

    samples: int
    seconds: float
    first: Sample
    last: Sample

    @property
    def mb(self) -> float:
        return self.last.pss_mb - self.first.pss_mb

    @property
    def mb_per_hour(self) -> float:
        """Two thirds of the time lie between the middles of the two thirds."""
        return self.mb / (self.seconds * 2 / 3) * 3600


def growth(samples: Sequence[Sample]) -> Growth | None:
    """Of one process, over its samples in order; None for too few."""
    third = len(samples) // 3
    if third < 2:
        return None
    return Growth(len(samples), samples[-1].at - samples[0].at, _lowest(samples[:third]), _lowest(samples[-third:]))


def _lowest(samples: Sequence[Sample]) -> Sample:
    return Sample(
        at=statistics.median(each.at for each in samples),
        pid=samples[0].pid,
        pss_mb=min(each.pss_mb for each in samples),
        descriptors=min(each.descriptors for each in samples),
        threads=min(each.threads for each in samples),
    )
