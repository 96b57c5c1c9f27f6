"""A large push passes through the daemon and does not stay in it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.receiver.conftest import Git, MakeServer

MEGABYTE = 1_000_000
FILES = 30


class Peak:
    """The most memory of its own that this process had while it was watched."""

    def __init__(self) -> None:
        self.bytes = self.start = _own_memory()
        self._over = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.002):
            self.bytes = max(self.bytes, _own_memory())


def _own_memory() -> int:
    """Without mapped files, a pack among them: their pages belong to the cache."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


async def test_a_push_of_30_megabytes(make_server: MakeServer, git: Git) -> None:
    await git.ok("config", "core.compression", "0")
    await git.ok("config", "pack.window", "0")  # noise has nothing in common with other noise: do not look for it
    await git.commit({f"noise{number}": os.urandom(MEGABYTE) for number in range(FILES)})
    for program in ("auto", "never"):
        server = await make_server(git_program=program)
        peak = Peak()
        with peak.watched():
            ran = await git("push", server.url, "master")
        assert ran.code == 0, ran.err
        assert len(list(server.deploys.done[0].folder.iterdir())) == FILES
        assert peak.bytes - peak.start < 20 * MEGABYTE
        await server.assert_clean()
