"""Steady requests, each on a connection of its own, and what became of them."""

from __future__ import annotations

import http.client
import itertools
import threading
from dataclasses import dataclass, field

from tests.e2e.harness import eventually


@dataclass
class Visits:
    """What happened so far: answers, connections that nobody took, and requests that were taken and not answered well."""

    answered: int = 0
    refused: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class Visitors:
    """A context manager: threads that ask for one path again and again."""

    def __init__(self, address: tuple[str, int], path: str, *, host: str, threads: int = 2) -> None:
        self.visits = Visits()
        self._request = (address, path, host)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._visit, name=f"visitor-{path}") for _ in range(threads)]

    def __enter__(self) -> Visits:
        for thread in self._threads:
            thread.start()
        return self.visits

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _visit(self) -> None:
        (host, port), path, name = self._request
        for number in itertools.count():
            if self._stop.is_set():
                return
            connection = http.client.HTTPConnection(host, port, timeout=60)
            try:
                connection.connect()
            except OSError as error:
                self.visits.refused.append(repr(error))
                continue
            try:
                connection.request("GET", path, headers={"Host": name})
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.visits.failed.append(f"{number}: {error!r}")
            else:
                self.visits.answered += 1
                if answer.status != 200:
                    self.visits.failed.append(f"{number}: {answer.status} {body[:200]!r}")
            finally:
                connection.close()
            self._stop.wait(0.005)


def answered_anew(*of: Visits) -> None:
    """Wait until all of them have been answered a few times more."""
    counts = [each.answered for each in of]
    eventually(
        lambda: all(each.answered > before + 5 for each, before in zip(of, counts, strict=True)), what="visitors to be answered"
    )
