"""What one command of the client costs beside the server's answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.bench.measure import Row, median, seconds
from tests.e2e.harness import BIN, Server


def measure(server: Server, folder: Path) -> list[Row]:
    server.ok("create", "bench-client", "--no-remote")
    bare = median(lambda: seconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)), 15)
    env = server.client_environ()
    argv = [str(BIN / "pushd"), "config", "-a", "bench-client"]
    ours = median(lambda: seconds(lambda: subprocess.run(argv, check=True, env=env, capture_output=True)), 15)
    return [Row("`pushd config`", f"{ours:.3f} s", f"python -c pass {bare:.3f} s", ours / bare, "+ 0.2 s", ours - bare <= 0.2)]
