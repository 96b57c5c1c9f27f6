"""Where this daemon is reached, and how it tells others: endpoints.json, the `ready` line, the URLs of apps."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pushd.kit.atomic import write_atomically


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
        ssh = f" ssh={self.ssh}" if self.ssh else ""
        return f"ready api={self.api} router={self.router}{ssh} domain={self.domain} pid={self.pid}"


def web_url(app_name: str, domain: str, router_url: str) -> str:
    """Where visitors find an app; a router on a Unix socket stands behind another server, at port 80."""
    port = router_url.rpartition(":")[2]
    shown = "" if router_url.startswith("unix:") or port == "80" else f":{port}"
    return f"http://{app_name}.{domain}{shown}/"


def named(sockets: Sequence[tuple[str, socket.socket]]) -> Mapping[str, socket.socket]:
    """Sockets that systemd handed over, by name; a single nameless one is the API's."""
    found = dict(sockets)
    if len(found) == 1 and not found.keys() & {"api", "router", "ssh"}:
        return {"api": next(iter(found.values()))}
    return found
