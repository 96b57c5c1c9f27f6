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
        assert diag.maybe_uid(listening.getsockname()[1]) == os.getuid()


def test_where_nobody_listens_nobody_is_known(diag: SockDiag) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert diag.maybe_uid(bound.getsockname()[1]) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_another_user_is_told_from_us(diag: SockDiag) -> None:
    argv = [sys.executable, "-c", _LISTEN_AS, str(OTHER_UID)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdin
        assert diag.maybe_uid(int(other.stdout.readline())) == OTHER_UID
        other.stdin.close()


def test_after_a_failure_the_next_question_is_answered(diag: SockDiag) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert diag.maybe_uid(port) is not None
        diag.close()  # as after an answer that did not come
        assert diag.maybe_uid(port) == os.getuid()
