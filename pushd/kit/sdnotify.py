"""Tell systemd how we are; the sockets that it hands over are taken by `kit/listen.py`."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping

from pushd.kit.clock import Clock

_PINGS_PER_TIMEOUT = 3  # one that comes late is not the end


def notify(address: str | None, state: str) -> None:
    """Send one state ("READY=1", "STOPPING=1") to the socket that NOTIFY_SOCKET names; nothing without one.

    Source: sd_notify(3). An address with a leading "@" is in the abstract namespace.
    """
    if not address:
        return
    name = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifier:
        try:
            notifier.connect(name)
            notifier.sendall(state.encode())
        except OSError:
            return  # a manager that went away must not keep us from serving


def watchdog_seconds(environ: Mapping[str, str], *, pid: int) -> float | None:
    """After how long a silence systemd ends this process; None if it does not watch us.

    Source: sd_watchdog_enabled(3): WATCHDOG_USEC, and WATCHDOG_PID, which a child of ours inherits although it is not meant.
    """
    text = environ.get("WATCHDOG_USEC", "")
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid) or not (text.isascii() and text.isdigit()):
        return None
    return int(text) / 1e6 or None


async def keep_telling(address: str | None, timeout: float, answers: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Say that we are alive, often enough and for ever, but each time only once `answers()` has returned."""
    while True:
        await answers()
        notify(address, "WATCHDOG=1")
        await clock.sleep(timeout / _PINGS_PER_TIMEOUT)
