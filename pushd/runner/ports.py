"""Free ports of 127.0.0.1 for web dynos; never one that another dyno of ours has."""

from __future__ import annotations

import random
import socket

from pushd.errors import PushdError

# Below the range from which Linux gives ports to outgoing connections (32768-60999): a port that was free when we looked is
# not taken by some connection before the app binds it.
PORTS = range(20_000, 32_768)
_TRIES = 2_000


class NoFreePort(PushdError):
    """Every port that we tried is taken."""

    id, status = "cannot_start", 503


class Ports:
    """Reserves ports from `take` until `give_back`."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._reserved: set[int] = set()

    def take(self) -> int:
        """A port on which nothing listens now. Raises: NoFreePort."""
        for _ in range(_TRIES):
            port = self._chance.choice(PORTS)
            if port not in self._reserved and _is_free(port):
                self._reserved.add(port)
                return port
        raise NoFreePort(
            f"cannot find a free port between {PORTS.start} and {PORTS.stop - 1}",
            remedy="Scale some apps down, or stop the program that listens on all of them.",
        )

    def keep(self, port: int) -> None:
        """A dyno of an earlier daemon has this one."""
        self._reserved.add(port)

    def give_back(self, port: int) -> None:
        """Nothing of ours listens there any more. Safe to call again."""
        self._reserved.discard(port)


def _is_free(port: int) -> bool:
    """Whether a program could bind it on all addresses, and so on 127.0.0.1 too."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as trial:
        try:
            trial.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True
