"""Where this daemon is reached: which ports it takes, and how it tells others (endpoints.json, the `ready` line)."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pushd.errors import PushdError
from pushd.kit.atomic import write_atomically
from pushd.kit.listen import bind, parse_address, shown_address

_EVERYWHERE = ("0.0.0.0", "[::]")


class CannotListen(PushdError):
    """An address cannot be bound; `serve` ends before it changes anything."""

    id, status = "cannot_listen", 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """URLs for whoever is on this machine."""

    api: str
    router: str
    ssh: str | None
    domain: str
    pid: int

    def write(self, path: Path) -> None:
        """Put them where clients of this machine look."""
        write_atomically(path, json.dumps(self.as_json(), indent=1).encode() + b"\n", mode=0o644)

    def as_json(self) -> dict[str, Any]:
        return {"api": self.api, "router": self.router, "ssh": self.ssh, "domain": self.domain, "pid": self.pid}

    def ready_line(self) -> str:
        """The one line that `serve` prints."""
        return f"ready api={self.api} router={self.router} domain={self.domain} pid={self.pid}"


def listen(address: str, *, last_port: str | None) -> socket.socket:
    """Bind an address; port 0 is the port of the last start if that is free, else a free one. Raises: CannotListen."""
    try:
        where = parse_address(address)
        if not isinstance(where, Path) and where[1] == 0 and last_port:
            host = f"[{where[0]}]" if ":" in where[0] else where[0]
            try:
                return bind(f"{host}:{last_port}")
            except OSError:
                pass  # somebody has it now: any free one will do
        return bind(address)
    except ValueError as error:
        raise CannotListen(f"cannot listen: {error}", remedy="Give host:port or unix:/path.") from None
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {address}: {os.strerror(error.errno or 0)}",
            remedy="Stop what has this address, or give another with the flag (port 0 takes a free one).",
        ) from error


def url_of(listening: socket.socket) -> str:
    """`http://host:port` as one reaches it from this machine, or `unix:/path`."""
    if listening.family == socket.AF_UNIX:
        return f"unix:{listening.getsockname()}"
    return url_of_address(shown_address(listening))


def url_of_address(address: str) -> str:
    """The same of "host:port"; an address that stands for all interfaces is reached at 127.0.0.1."""
    host, _, port = address.rpartition(":")
    return f"http://{'127.0.0.1' if host in _EVERYWHERE else host}:{port}"


def port_of(url: str) -> int:
    """The port of an http URL."""
    return int(url.rpartition(":")[2])


def web_url(app_name: str, domain: str, router_url: str) -> str:
    """Where visitors find an app."""
    port = port_of(router_url)
    return f"http://{app_name}.{domain}{'' if port == 80 else f':{port}'}/"


def named(sockets: Sequence[tuple[str, socket.socket]]) -> Mapping[str, socket.socket]:
    """Sockets that systemd handed over, by name; a single nameless one is the API's."""
    found = dict(sockets)
    if "api" not in found and len(found) == 1 and "router" not in found:
        return {"api": next(iter(found.values()))}
    return found
