"""Who listens on a port, as the kernel tells it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pushd.kit.sockdiag import SockDiag

OTHER_UID = 64_999
_LISTEN_AS = """
import os, socket, sys
os.setuid(int(sys.argv[1]))
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def diag() -> Iterator[SockDiag]:
    diag = SockDiag()
    yield diag
    diag.close()


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
)
def test_who_listens_is_known(diag: SockDiag, family: socket.AddressFamily, address: str) -> None:
    with socket.create_server((address, 0), family=family, dualstack_ipv6=family == socket.AF_INET6) as listening:
        assert diag.maybe_listening(listening.getsockname()[1]) == (os.getuid(), os.fstat(listening.fileno()).st_ino)


def test_where_nobody_listens_nobody_is_known(diag: SockDiag) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert diag.maybe_listening(bound.getsockname()[1]) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_another_user_is_told_from_us(diag: SockDiag) -> None:
    argv = [sys.executable, "-c", _LISTEN_AS, str(OTHER_UID)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdin
        found = diag.maybe_listening(int(other.stdout.readline()))
        assert found
        assert found.uid == OTHER_UID
        other.stdin.close()


def test_once_closed_it_knows_nobody(diag: SockDiag) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert diag.works
        diag.close()
        assert not diag.works
        assert diag.maybe_listening(listening.getsockname()[1]) is None
