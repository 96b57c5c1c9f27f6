"""Where visitors connect: the sockets of a running router, of systemd, or ones bound now."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pushd.errors import PushdError
from pushd.kit.listen import bind, parse_address, shown_address

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class CannotListen(PushdError):
    """The router's address cannot be bound."""

    id, status = "cannot_listen", 500


@dataclass(frozen=True, slots=True)
class Door:
    """A listening socket and its address, "127.0.0.1:8080" or "unix:/path" (a Unix socket cannot tell its own)."""

    address: str
    socket: socket.socket

    @property
    def host_and_port(self) -> tuple[str, int]:
        """("unix:/path", 0) for a Unix socket."""
        where = parse_address(self.address)
        return (self.address, 0) if isinstance(where, Path) else where

    @property
    def url(self) -> str:
        """`http://host:port` as one reaches it from this machine, or `unix:/path`."""
        host, port = self.host_and_port
        return self.address if self.address.startswith("unix:") else f"http://{in_url(_EVERYWHERE.get(host, host))}:{port}"


def choose_doors(
    address: str, running: Sequence[Door], *, last_port: str | None, inherited: socket.socket | None
) -> list[Door]:
    """Doors to open, ours to close: the running router's where they fit, else new ones.

    Port 0 fits any port of that host; else it becomes `last_port` if that is free, else a free one. Raises: CannotListen.
    """
    if inherited is not None:
        return [Door(address if inherited.family == socket.AF_UNIX else shown_address(inherited), inherited)]
    try:
        where = parse_address(address)
        if fitting := [door for door in running if _fits(door, where)]:
            return [Door(door.address, door.socket.dup()) for door in fitting]
        if isinstance(where, Path):
            return [Door(address, bind(address, unix_mode=0o666))]
        listening = _bind_last(where[0], last_port) if where[1] == 0 and last_port else None
        listening = listening or bind(address)
        return [Door(shown_address(listening), listening)]
    except ValueError as error:
        raise CannotListen(f"cannot listen: {error}", remedy="Give host:port or unix:/path.") from None
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {address}: {error.strerror or error}",
            remedy="Stop what has this address, or give another with --router-listen (port 0 takes a free one).",
        ) from error


def in_url(host: str) -> str:
    """A host as it stands before a port."""
    return f"[{host}]" if ":" in host else host


def _bind_last(host: str, port: str) -> socket.socket | None:
    """None if somebody else has that port now: any free one will do."""
    try:
        return bind(f"{in_url(host)}:{port}")
    except OSError:
        return None


def _fits(door: Door, wanted: tuple[str, int] | Path) -> bool:
    if isinstance(wanted, Path):
        return door.address == f"unix:{wanted}"
    host, port = door.host_and_port
    return host == ("127.0.0.1" if wanted[0] == "localhost" else wanted[0]) and wanted[1] in (0, port)
