"""A listening socket together with its address: a Unix socket that was bound in a deep folder cannot tell its own."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from pushd.kit.listen import bind, parse_address, shown_address

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # how this machine reaches what listens on all its addresses


@dataclass(frozen=True, slots=True)
class Door:
    """`address` is "127.0.0.1:8080" or "unix:/path"."""

    address: str
    socket: socket.socket

    @property
    def host_and_port(self) -> tuple[str, int]:
        """("unix:/path", 0) for a Unix socket."""
        where = parse_address(self.address)
        return (self.address, 0) if isinstance(where, Path) else where

    @property
    def port(self) -> str | None:
        """What the next start may ask for as `last_port`; None for a Unix socket."""
        return None if self.address.startswith("unix:") else str(self.host_and_port[1])

    @property
    def url(self) -> str:
        """`http://host:port` as one reaches it from this machine, or `unix:/path`."""
        return self.url_of("http")

    def url_of(self, scheme: str) -> str:
        """The same for another scheme."""
        host, port = self.host_and_port
        return self.address if self.address.startswith("unix:") else f"{scheme}://{in_url(EVERYWHERE.get(host, host))}:{port}"


def open_door(address: str, *, last_port: str | None, unix_mode: int = 0o660) -> Door:
    """Bind an address; port 0 becomes `last_port` if that is free, else a free one.

    Raises: ValueError for an address that cannot be read, OSError when it cannot be bound.
    """
    where = parse_address(address)
    if isinstance(where, Path):
        return Door(address, bind(address, unix_mode=unix_mode))
    listening = _maybe_bind(f"{in_url(where[0])}:{last_port}") if where[1] == 0 and last_port else None
    listening = listening or bind(address)
    return Door(shown_address(listening), listening)


def door_of(listening: socket.socket) -> Door:
    """The door of a socket that somebody else bound, under its full name."""
    if listening.family == socket.AF_UNIX:
        return Door(f"unix:{listening.getsockname()}", listening)
    return Door(shown_address(listening), listening)


def in_url(host: str) -> str:
    """A host as it stands before a port."""
    return f"[{host}]" if ":" in host else host


def _maybe_bind(address: str) -> socket.socket | None:
    """None if somebody else has that port now, or if it is none: any free one will do."""
    try:
        return bind(address)
    except (OSError, ValueError):
        return None
