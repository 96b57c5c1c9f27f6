"""Looks of others into a process, tried as an ordinary user."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

NOBODY = 65534
PROGRAM = "import sys; sys.path.insert(0, {path!r})\n{before}\nprint('ready', flush=True)\nsys.stdin.read()"
CLOSED = "from pushd.kit.secrecy import keep_memory_closed; keep_memory_closed()"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can play two processes of another user")
@pytest.mark.parametrize(("before", "readable"), [("", True), (CLOSED, False)])
def test_another_process_of_the_same_user_reads_its_memory_only_if_it_is_open(before: str, readable: bool) -> None:
    become = f"import os; os.setgid({NOBODY}); os.setuid({NOBODY}); import ctypes; ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)"
    script = PROGRAM.format(path=os.getcwd(), before=f"from pushd.kit import secrecy\n{become}\n{before}")
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"

        look = subprocess.run(
            ["/bin/sh", "-c", f"cat /proc/{process.pid}/environ"], user=NOBODY, group=NOBODY, extra_groups=[],
            capture_output=True,
        )  # fmt: skip
        process.communicate(b"")

    assert (look.returncode == 0) == readable


def test_what_it_starts_is_open_again() -> None:
    asked = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)"  # 3 is PR_GET_DUMPABLE
    script = f"{CLOSED}; {asked}; import subprocess, sys; subprocess.run([sys.executable, '-c', {asked!r}])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["0", "1"]
