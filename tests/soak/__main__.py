"""`make soak`: deaths and deeds under load, for ten minutes; ends with 1 if a promise did not hold.

python -m tests.soak [--seconds 600] [--apps 10] [--walks 0] [--seed 1] [--keep]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.e2e.harness import ROOT
from tests.soak.engine import Soak
from tests.soak.report import table

WALK = ROOT / "tests" / "e2e" / "test_crash_points.py"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long deeds and deaths go on")
    parser.add_argument("--apps", type=int, default=10)
    parser.add_argument("--walks", type=int, default=0, metavar="N", help="walk all crash points N times before that")
    parser.add_argument("--seed", type=int, default=1, help="of what is done when")
    parser.add_argument("--keep", action="store_true", help="leave the data folder where it is")
    arguments = parser.parse_args()
    for number in range(1, arguments.walks + 1):
        code = subprocess.run([sys.executable, "-m", "pytest", "-q", str(WALK)], cwd=ROOT).returncode
        print(f"walk {number} of {arguments.walks}: {'passed' if code == 0 else 'FAILED'}", flush=True)
        if code:
            return 1
    folder = Path(tempfile.mkdtemp(prefix="pushd-soak-"))
    try:
        findings = Soak(folder, seconds=arguments.seconds, apps=arguments.apps, seed=arguments.seed).run()
    finally:
        if arguments.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(table(findings))
    return 1 if findings.broken else 0


if __name__ == "__main__":
    sys.exit(main())
