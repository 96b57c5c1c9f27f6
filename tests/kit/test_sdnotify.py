from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pushd.kit.sdnotify import notify, take_sockets


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_hears_each_state_as_one_message(tmp_path: Path, abstract: bool) -> None:
    address = f"@pushd-test-{tmp_path.name}-{id(tmp_path)}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + address[1:] if abstract else address)
        manager.settimeout(10)

        notify(address, "READY=1")
        notify(address, "STOPPING=1")

        assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"STOPPING=1"]


@pytest.mark.parametrize("address", [None, "", "/nowhere/notify"])
def test_without_a_manager_nothing_happens(address: str | None) -> None:
    notify(address, "READY=1")


# A process of its own: descriptors 3, 4, ... are systemd's there.
TAKE = """
import os, socket, sys
from pushd.kit.sdnotify import take_sockets
listeners = []
for descriptor in (3, 4, 5):
    listener = socket.create_server(("127.0.0.1", 0))
    os.dup2(listener.detach(), 50 + descriptor)
for descriptor in (3, 4, 5):
    os.dup2(50 + descriptor, descriptor, inheritable=True)
environ = dict(pair.split("=", 1) for pair in sys.argv[1:])
environ.setdefault("LISTEN_PID", str(os.getpid()))
found = take_sockets(environ, os.getpid())
for name, sockets in found.items():
    for each in sockets:
        assert each.getsockname()[0] == "127.0.0.1" and not each.get_inheritable()
        print(repr(name), each.fileno())
        each.detach()
"""


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (["LISTEN_FDS=2", "LISTEN_FDNAMES=api:router"], ["'api' 3", "'router' 4"]),
        (["LISTEN_FDS=3", "LISTEN_FDNAMES=router:router"], ["'router' 3", "'router' 4", "'' 5"]),
        (["LISTEN_FDS=1"], ["'' 3"]),
        (["LISTEN_FDS=0"], []),
        ([], []),
        (["LISTEN_FDS=2", "LISTEN_PID=1"], []),
    ],
)
def test_sockets_are_taken_by_name_and_not_passed_on(environ: list[str], expected: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", TAKE, *environ], capture_output=True, text=True, timeout=60)

    assert done.stderr == ""
    assert done.stdout.splitlines() == expected


def test_sockets_meant_for_nobody_are_left_alone() -> None:
    assert take_sockets({}, 1) == {}
