"""Which hosts may be fetched from on behalf of users: public ones, and private ones that the operator names."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_LONGEST_NAME = 253
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in disguise, RFC 6052


class OutOfReach(Exception):
    """The host has no address that may be reached; the text says so."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Public addresses, and beyond them these names and networks. Made by `parse_reach`."""

    names: frozenset[str] = frozenset()
    networks: tuple[_Network, ...] = ()

    def __str__(self) -> str:
        return ",".join([*sorted(self.names), *map(str, self.networks)])

    def allows(self, host: str, address: str) -> bool:
        """Whether `host`, which has this address, may be asked."""
        found = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        if host.lower() in self.names or any(found in network for network in self.networks):
            return True
        return found.is_global and not found.is_multicast and not _is_disguised(found)

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be reached. Raises: OutOfReach, OSError when the name is not known."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        allowed = [str(each[4][0]) for each in found if self.allows(host, str(each[4][0]))]
        if not allowed:
            raise OutOfReach(f"{host} is no public address")
        return list(dict.fromkeys(allowed))


def parse_reach(text: str) -> Reach:
    """ "10.0.0.0/8, git.example.com" -> those beside all public addresses. Raises: ValueError with the rule."""
    names, networks = set(), []
    for word in filter(None, (word.strip().lower() for word in text.split(","))):
        try:
            networks.append(ipaddress.ip_network(word))
        except ValueError:
            if "/" in word or ":" in word or " " in word or len(word) > _LONGEST_NAME:
                raise ValueError("it must be host names, addresses and networks (10.0.0.0/8), with commas") from None
            names.add(word)
    return Reach(frozenset(names), tuple(networks))


def _is_disguised(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """An IPv6 address that leads to an IPv4 one, which nobody has looked at."""
    if isinstance(address, ipaddress.IPv4Address):
        return False
    return address in _NAT64 or address.sixtofour is not None or address.teredo is not None
