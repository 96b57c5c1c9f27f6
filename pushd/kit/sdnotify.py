"""Tell systemd how we are; the sockets that it hands over are taken by `kit/listen.py`."""

from __future__ import annotations

import socket


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
