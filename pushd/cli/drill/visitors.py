"""Visitors of the scratch apps, all the time: what they meet while the daemon is dead, and while the next one starts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from pushd.cli.demo_stage import DemoFailed, Page

_PAUSE_SECONDS = 0.02


class Visitors:
    """A context manager: a thread that asks for one page after another, and keeps what it should not have met."""

    def __init__(self, ask: Callable[[str], Page], *, steady: str, changing: str) -> None:
        self.visits = 0
        self._ask = ask
        self._steady = steady  # this app answers always
        self._changing = changing  # that one is what acts are about
        self._may_meet: Collection[int] = {200}
        self._failures: list[str] = []
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._visit, name="visitors", daemon=True)

    def __enter__(self) -> Visitors:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._left.set()
        self._thread.join()

    def expect(self, statuses: Collection[int]) -> None:
        """What visitors of the changing app may meet from now on."""
        self._may_meet = statuses

    def failures(self) -> list[str]:
        """What they met since the last question and should not have."""
        found, self._failures = self._failures, []
        return found

    def _visit(self) -> None:
        while not self._left.wait(_PAUSE_SECONDS):
            for app in (self._steady, self._changing):
                try:
                    page = self._ask(app)
                except DemoFailed as error:
                    self._failures.append(f"{app}: {error.message}")
                    continue
                self.visits += 1
                if page.status not in ({200} if app == self._steady else self._may_meet):
                    self._failures.append(f"{app}: {page.status} {' '.join(page.text.split())[:100]}")
