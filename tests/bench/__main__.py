"""`make bench`, or `make bench ONLY=router`: prints the table for docs/benchmarks.md."""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

from tests.bench.measure import HEADER, Row, machine
from tests.e2e.harness import Server, running

TOPICS = ("pushes", "builds", "receive", "router", "deaths", "logs", "memory", "client", "api", "tails", "run")


def main(only: list[str]) -> int:
    rows: list[Row] = []
    for topic in only or TOPICS:
        with tempfile.TemporaryDirectory(prefix="pushd-bench-") as folder:
            with running(Server(Path(folder) / "data", Path(folder) / "home", recorded=False)) as server:
                measured = importlib.import_module(f"tests.bench.{topic}").measure(server, Path(folder))
        for row in measured:
            print(row.line(), flush=True)
        rows += measured
    print(f"\n{machine()}\n\n{HEADER}")
    for row in rows:
        print(row.line())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
