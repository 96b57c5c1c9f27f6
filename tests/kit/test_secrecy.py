"""Looks of others into a process, tried as an ordinary user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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


KEYS = """if 1:
    import ctypes, errno, json, os
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    KEYCTL, ADD_KEY, SESSION = 250, 248, -3
    def call(*arguments):
        ctypes.set_errno(0)
        return "done" if libc.syscall(*arguments) >= 0 else errno.errorcode[ctypes.get_errno()]
    def join(): return call(KEYCTL, 1, None)
    def add(name): return call(ADD_KEY, b"user", name, b"secret", 6, SESSION)
    def find(name): return call(KEYCTL, 10, SESSION, b"user", name, 0)
    def permit(): return call(KEYCTL, 5, SESSION, 0x3f3f3f3f)
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of its calls are those of x86_64")
def test_keys_of_a_session_are_not_handed_on(tmp_path: Path) -> None:
    looks = "print(json.dumps([find(b'ours'), add(b'theirs'), find(b'theirs'), permit(), find(b'ours')]))"
    program = tmp_path / "program.py"
    program.write_text(f"{KEYS}\n{looks}")
    script = f"{KEYS}\nprint(json.dumps([join(), add(b'ours'), find(b'ours')]), flush=True)\n"
    close = "from pushd.kit.secrecy import close_session_keyring; assert close_session_keyring()\n"
    start = f"import subprocess, sys; subprocess.run([sys.executable, {str(program)!r}])\n"

    told = {}
    for name, before in (("handed on", ""), ("closed", close)):
        done = subprocess.run([sys.executable, "-c", script + before + start], capture_output=True, text=True)
        made, told[name] = map(json.loads, done.stdout.splitlines())
        if made[0] != "done":
            pytest.skip(f"keys of the kernel are refused here: {made[0]}")
        assert made == ["done"] * 3

    assert told["handed on"][:4] == ["done"] * 4
    assert told["closed"] == ["EACCES"] * 5


def test_what_it_starts_is_open_again() -> None:
    asked = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)"  # 3 is PR_GET_DUMPABLE
    script = f"{CLOSED}; {asked}; import subprocess, sys; subprocess.run([sys.executable, '-c', {asked!r}])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["0", "1"]
