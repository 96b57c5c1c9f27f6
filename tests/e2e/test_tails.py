"""A tail goes on where it was when the daemon that served it ends, dies and starts anew."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, Server, eventually

# Counts without pause, in one life of its own.
_COUNTING = """
import itertools, time
for number in itertools.count():
    print("count", number, flush=True)
    time.sleep(0.01)
"""
_COUNT = re.compile(r"app\[ticks\.1\]: count (\d+)$")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["ended", "killed"])
def test_a_tail_loses_and_repeats_nothing_over_restarts(own_server: Server, tmp_path: Path, how: signal.Signals) -> None:
    project = own_server.project(tmp_path / "counting", "counting")
    project.write("ticks.py", _COUNTING)
    project.write("Procfile", "web: python app.py\nticks: python ticks.py\n")
    project.commit("count")
    project.deploy()
    project.ok("ps:scale", "ticks=1")
    seen: list[str] = []
    argv = [str(BIN / "pushd"), "logs", "-t", "-n", "1", "--ps", "ticks", "--source", "app", "-a", project.app]
    tail = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=own_server.client_environ())
    assert tail.stdout is not None
    reader = threading.Thread(target=seen.extend, args=(tail.stdout,))
    reader.start()
    eventually(lambda: len(seen) > 20, what="the first lines")

    for _ in range(2):
        own_server.stop(how)
        told = len(seen)
        own_server.start()
        eventually(lambda told=told: len(seen) > told + 20, what="lines after a restart")  # type: ignore[misc]

    tail.terminate()
    tail.wait(30)
    reader.join()
    tail.stdout.close()
    numbers = [int(match[1]) for line in seen if (match := _COUNT.search(line.rstrip()))]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
