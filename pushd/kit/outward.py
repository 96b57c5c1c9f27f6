"""Connections to addresses that users name: what was judged is what is connected to."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from pushd.kit.reach import OutOfReach, Reach

MOVED = (301, 302, 303, 307, 308)


def outward(reach: Reach, *, limit: int = 100, keep: bool = True) -> aiohttp.TCPConnector:
    """For an aiohttp session: a name is looked up each time, and leads nowhere but within `reach`.

    A host that is an address is not looked up: ask `check_literal` first. `limit`: connections at once, 0 for any number.
    """
    return aiohttp.TCPConnector(resolver=_Resolver(reach), use_dns_cache=False, limit=limit, force_close=not keep)


def check_literal(url: str, reach: Reach) -> None:
    """Return if the host of an http(s) URL is a name, or an address within `reach`.

    Raises: OutOfReach; ValueError for another URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it leads to something other than http:// or https://")
    try:
        ipaddress.ip_address(parts.hostname.partition("%")[0])
    except ValueError:
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if not reach.reaches(parts.hostname, parts.hostname, port):
        raise OutOfReach(f"{parts.hostname} is no public address")


class _Resolver(AbstractResolver):
    """Gives what may be reached, and no more."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._reach.addresses(host, port)
        ]

    async def close(self) -> None:
        """Nothing is kept."""
