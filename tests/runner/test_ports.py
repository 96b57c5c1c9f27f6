"""Ports for web dynos."""

from __future__ import annotations

import random
import socket

import pytest

from pushd.runner.ports import PORTS, NoFreePort, Ports


class Always(random.Random):
    """Picks the first each time."""

    def choice(self, seq: range) -> int:  # type: ignore[override]
        return seq[0]


def test_no_two_dynos_get_one_port() -> None:
    ports = Ports(random.Random(1))

    taken = [ports.take() for _ in range(200)]

    assert len(set(taken)) == 200
    assert all(port in PORTS for port in taken)


def test_a_reserved_port_comes_back_when_it_is_given_back() -> None:
    ports = Ports(Always())
    port = ports.take()
    with pytest.raises(NoFreePort, match="free port"):
        ports.take()

    ports.give_back(port)
    ports.give_back(port)

    assert ports.take() == port


def test_a_port_on_which_somebody_listens_is_not_given_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        class Stubborn(random.Random):
            def choice(self, seq: range) -> int:  # type: ignore[override]
                return port

        with pytest.raises(NoFreePort):
            Ports(Stubborn()).take()
