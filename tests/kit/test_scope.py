"""Programs in a scope: what they reach of sockets without a file, and what becomes of the threads that start them."""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path

import pytest

from pushd.kit.scope import Scope, has_scopes
from pushd.kit.spawn import spawn

pytestmark = pytest.mark.skipif(not has_scopes(), reason="it takes Landlock of Linux 6.12")
CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect('\\0' + sys.argv[1])"


@pytest.mark.parametrize("scope", [None, Scope(outlives_us=True), Scope(outlives_us=False)])
def test_only_who_is_in_none_reaches_what_others_listen_on(tmp_path: Path, scope: Scope | None) -> None:
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind(f"\0{tmp_path}")
        ours.listen()
        pid = spawn([sys.executable, "-I", "-S", "-c", CONNECT, str(tmp_path)], env={}, scope=scope)
        _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == (0 if scope is None else 1)
    with socket.socket(socket.AF_UNIX) as again:  # we ourselves are in none
        again.bind(f"\0{tmp_path}")
        again.listen()
        with socket.socket(socket.AF_UNIX) as client:
            assert client.connect_ex(f"\0{tmp_path}") == 0


def test_a_program_that_asks_to_die_with_its_parent_lives_as_long_as_we(tmp_path: Path) -> None:
    threads = set(threading.enumerate())
    pid = spawn(["/bin/cat"], env={}, stdin=(pipe := os.pipe())[0], scope=Scope(outlives_us=False))
    (starter,) = set(threading.enumerate()) - threads
    assert starter.is_alive()
    os.close(pipe[0])
    os.close(pipe[1])
    os.waitpid(pid, 0)
    starter.join()


def test_what_cannot_be_started_is_told() -> None:
    with pytest.raises(FileNotFoundError):
        spawn(["/no/such/program"], env={}, scope=Scope(outlives_us=True))
