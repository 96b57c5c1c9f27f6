"""`make fuzz`: what strangers may send, damaged in many ways, for ten minutes; ends with 1 at the first find.

python -m tests.fuzz [--seconds 600] [--only TARGET] [--seed N]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from tests.contracts.test_any_body import EXAMPLES_LONG, OPERATIONS
from tests.e2e.harness import ROOT
from tests.fuzz.engine import fuzz
from tests.fuzz.targets import TARGETS

BODIES = "API bodies"  # schemathesis, on our own schema
_BODIES_TEST = "tests/contracts/test_any_body.py"
_PER_ROUND = len(OPERATIONS) * EXAMPLES_LONG


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="all targets together")
    parser.add_argument("--only", choices=[*TARGETS, BODIES], help="this target alone")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the cases; told at the start")
    arguments = parser.parse_args()
    names = [arguments.only] if arguments.only else [*TARGETS, BODIES]
    print(f"seed {arguments.seed}", flush=True)
    for name in names:
        began, seconds = time.monotonic(), arguments.seconds / len(names)
        tried = _bodies(seconds) if name == BODIES else fuzz(TARGETS[name], seconds=seconds, seed=arguments.seed)
        if tried is None:
            return 1
        what = f"rounds of up to {_PER_ROUND} cases" if name == BODIES else "cases"
        print(f"{name}: {tried} {what} in {time.monotonic() - began:.0f} s, nothing found", flush=True)
    return 0


def _bodies(seconds: float) -> int | None:
    """Whole rounds over all routes, at least one; each makes up to 30 cases per route and kind. None after a find."""
    ends_at, tried = time.monotonic() + seconds, 0
    while not tried or time.monotonic() < ends_at:
        argv = [sys.executable, "-m", "pytest", "-q", "--hypothesis-profile=long", _BODIES_TEST]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            print(done.stdout[-6000:])
            return None
        tried += 1
    return tried


if __name__ == "__main__":
    sys.exit(main())
