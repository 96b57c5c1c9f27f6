"""Everything about sandboxes and dynos once more, by a user who is not root: user namespaces instead of privileges.

The quick run takes one test of each kind, the long one all of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOBODY = 65534
TESTS = ("tests/sandbox/test_sandbox.py", "tests/runner/test_local_scheduler.py", "tests/ssh/test_programs.py")
ALL = "not copy and not plain"
SOME = " or ".join((
    "test_a_dyno_sees_its_slug_and_writes_privately",
    "test_the_rest_of_the_machine_is_not_there",
    "test_a_build_that_forks_without_end_is_ended",
    "test_no_capability_is_left_and_none_can_be_had",
    "test_term_reaches_the_program_and_kill_is_not_needed",
    "test_kill_takes_the_stubborn_and_the_escaped",
    "test_all_that_it_gets_is_the_api_and_a_token_that_ends_with_it and confined",
))  # fmt: skip
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of that user; pytest's own is for root only."""
    path = Path(tempfile.mkdtemp(prefix="pushd-nobody-"))
    os.chown(path, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path)


def python_for_nobody(environ: dict[str, str]) -> str:
    """A Python of our version that this user can execute, with our packages; skips without one."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for program in (sys.executable, f"/usr/bin/{version}"):
        script = 'test -x "$0" && exec "$0" -c "import pushd, pytest, psutil"'
        tried = subprocess.run([*AS_NOBODY, "/bin/sh", "-c", script, program], env=environ, cwd="/", capture_output=True)
        if tried.returncode == 0:
            return program
    pytest.skip("no Python that another user can execute")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; then the other tests say it all")
@pytest.mark.parametrize("which", [SOME, pytest.param(ALL, marks=pytest.mark.long)], ids=["some", "all"])
def test_it_all_holds_for_an_ordinary_user(folder: Path, which: str) -> None:
    packages = [str(Path(path)) for path in sys.path if path.endswith("site-packages")]
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join([str(ROOT), *packages]), "TMPDIR": str(folder),
               "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(folder)}  # fmt: skip
    command = [python_for_nobody(environ), "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", f"({which}) and ({ALL})",
               "--basetemp", str(folder / "t"), *TESTS]  # fmt: skip
    done = subprocess.run([*AS_NOBODY, *command], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert f"{len(SOME.split(' or ')) if which == SOME else ''} passed" in done.stdout
