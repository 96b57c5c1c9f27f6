"""Connections to addresses that users name: what was judged is what is connected to."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType

from pushd.kit.reach import OutOfReach, Reach

MOVED = (301, 302, 303, 307, 308)


def outward(reach: Reach, *, limit: int = 100, keep: bool = True) -> aiohttp.TCPConnector:
    """For an aiohttp session: a name is looked up each time, and no connection leads anywhere but within `reach`.

    `limit`: connections at once, 0 for any number. Raises, when it connects: OutOfReach.
    """
    resolver = _Resolver(reach)
    return aiohttp.TCPConnector(
        resolver=resolver,
        use_dns_cache=False,
        limit=limit,
        force_close=not keep,
        socket_factory=lambda info: _socket(info, resolver, reach),
    )


def check_literal(url: str, reach: Reach) -> None:
    """Return if the host of an http(s) URL is a name, or an address within `reach`, before anything is asked.

    `outward` has the last word: aiohttp reads １２７.0.0.1 as an address, and we do not.
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


def _socket(info: AddrInfoType, resolver: _Resolver, reach: Reach) -> socket.socket:
    """The last word, however the address was written. Raises: OutOfReach."""
    family, kind, protocol, _, (address, port, *_) = info
    if (address, port) not in resolver.by_name and not reach.reaches(str(address), str(address), int(port)):
        raise OutOfReach(f"{address} is no public address")
    return socket.socket(family, kind, protocol)


class _Resolver(AbstractResolver):
    """Gives what may be reached, and no more."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self.by_name: set[tuple[str, int]] = set()  # are within reach only because the operator lists their name

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        found = await self._reach.addresses(host, port)
        self.by_name |= {(each, port) for each in found if not self._reach.reaches(each, each, port)}
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is kept."""
