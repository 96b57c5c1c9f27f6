"""The sockets that the daemon listens on: systemd's where it handed some over, else its own, on the ports of the last start."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pushd.endpoints import named
from pushd.errors import CannotListen
from pushd.kit.aio import in_thread
from pushd.kit.disk import is_full
from pushd.kit.door import Door, door_of, open_door
from pushd.kit.listen import inherited_sockets
from pushd.layout import Layout
from pushd.settings import Settings
from pushd.ssh.host_key import HostKey, open_host_key

log = logging.getLogger(__name__)


class Meta(Protocol):
    """Where the ports of the last start are kept."""

    async def get(self, key: str) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """Open, and not served yet."""

    api: Door
    ssh: Door | None  # None: the settings want none, or there is no host key
    host_key: HostKey | None
    router: socket.socket | None  # systemd's; without one the router's own end opens it

    def close(self) -> None:
        """Those that are ours to close; whoever serves one may have closed it before."""
        for door in (self.api, self.ssh):
            if door is not None:
                door.socket.close()


async def open_sockets(settings: Settings, layout: Layout, meta: Meta, environ: Mapping[str, str]) -> Sockets:
    """Take them all, or none. Raises: CannotListen, BadHostKey."""
    handed_over = named(inherited_sockets(environ, pid=os.getpid()))
    wants_ssh = bool(settings.ssh_listen) or "ssh" in handed_over
    host_key = await _maybe_host_key(layout.ssh_host_key) if wants_ssh else None
    api = _door(settings.api_listen, handed_over.get("api"), last_port=await meta.get("api_port"), flag="--api-listen")
    try:
        ssh = None
        if host_key is not None:
            ssh = _door(settings.ssh_listen, handed_over.get("ssh"), last_port=await meta.get("ssh_port"), flag="--ssh-listen")
    except BaseException:
        api.socket.close()
        raise
    return Sockets(api=api, ssh=ssh, host_key=host_key, router=handed_over.get("router"))


async def _maybe_host_key(file: Path) -> HostKey | None:
    """None when a full disk takes none. Raises: BadHostKey."""
    try:
        return await in_thread(open_host_key, file)
    except OSError as error:
        if not is_full(error):
            raise
        log.error("no SSH until the next start: the disk is full, and there is no host key yet")
        return None


def _door(address: str, inherited: socket.socket | None, *, last_port: str | None, flag: str) -> Door:
    """systemd's socket, else one bound now. Raises: CannotListen."""
    if inherited is not None:
        return door_of(inherited)
    try:
        return open_door(address, last_port=last_port)
    except (ValueError, OSError) as error:
        raise CannotListen(address, error, flag=flag) from error
