"""Tell systemd how we are (sd_notify), and take sockets that it hands over (LISTEN_FDS)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

FIRST_LISTEN_FD = 3  # sd_listen_fds(3): SD_LISTEN_FDS_START


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


def take_sockets(environ: Mapping[str, str], pid: int) -> dict[str, list[socket.socket]]:
    """Sockets handed over by systemd, by their FileDescriptorName ("api", "router", ...).

    Empty when LISTEN_PID names another process. Source: sd_listen_fds(3), sd_listen_fds_with_names(3).
    """
    if environ.get("LISTEN_PID") != str(pid):
        return {}
    count = int(environ.get("LISTEN_FDS", "0"))
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    for index in range(count):
        descriptor = FIRST_LISTEN_FD + index
        os.set_inheritable(descriptor, False)
        name = names[index] if index < len(names) else ""
        found.setdefault(name, []).append(socket.socket(fileno=descriptor))
    return found
