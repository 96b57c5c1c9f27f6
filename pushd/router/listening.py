"""Where visitors connect: the sockets of a running router, of systemd, or ones bound now."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from pushd.errors import CannotListen
from pushd.kit.door import Door, door_of, open_door
from pushd.kit.listen import parse_address


def choose_doors(
    address: str, running: Sequence[Door], *, last_port: str | None, inherited: socket.socket | None
) -> list[Door]:
    """Doors to open, ours to close: the running router's where they fit, else new ones.

    Port 0 fits any port of that host; else it becomes `last_port` if that is free, else a free one. Raises: CannotListen.
    """
    if inherited is not None:
        return [door_of(inherited)]
    try:
        where = parse_address(address)
        if fitting := [door for door in running if _fits(door, where)]:
            return [Door(door.address, door.socket.dup()) for door in fitting]
        return [open_door(address, last_port=last_port, unix_mode=0o666)]  # the web server in front may be any user
    except (ValueError, OSError) as error:
        raise CannotListen(address, error, flag="--router-listen") from error


def _fits(door: Door, wanted: tuple[str, int] | Path) -> bool:
    if isinstance(wanted, Path):
        return door.address == f"unix:{wanted}"
    host, port = door.host_and_port
    return host == ("127.0.0.1" if wanted[0] == "localhost" else wanted[0]) and wanted[1] in (0, port)
