"""A tail goes on where it was when the daemon that served it ends, dies and starts anew."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, Server, eventually, run

# Every start names itself, so that a test sees what each of them said, and counts without pause.
_COUNTING = """
import itertools, time, uuid
me = uuid.uuid4().hex[:8]
for number in itertools.count():
    print("count", me, number, flush=True)
    time.sleep(0.01)
"""
_COUNT = re.compile(r"app\[ticks\.1\]: count (\w+) (\d+)$")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["ended", "killed"])
def test_a_tail_loses_and_repeats_nothing_over_a_restart(own_server: Server, tmp_path: Path, how: signal.Signals) -> None:
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

    own_server.stop(how)
    own_server.start()

    eventually(
        lambda: len(_by_start(seen)) == 2 and len(list(_by_start(seen).values())[1]) > 20, what="lines of the next start"
    )
    tail.terminate()
    tail.wait(30)
    reader.join()
    tail.stdout.close()
    first, second = _by_start(seen).values()
    kept = _by_start(
        run([*argv[:2], "-n", "1500", *argv[5:]], cwd=tmp_path, env=own_server.client_environ()).stdout.splitlines()
    )
    assert first == list(range(first[0], first[-1] + 1))
    assert second == list(range(len(second)))
    assert first[-1] == next(iter(kept.values()))[-1]  # to the last line before the end


def _by_start(lines: list[str]) -> dict[str, list[int]]:
    """What each start of the process counted, in the order of the lines."""
    found: dict[str, list[int]] = {}
    for line in list(lines):
        if match := _COUNT.search(line.rstrip()):
            found.setdefault(match[1], []).append(int(match[2]))
    return found
