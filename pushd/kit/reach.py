"""Which hosts may be asked on behalf of users: public ones, and private ones that the operator names.

This machine is behind its public addresses too, with ports that others do not reach: of those the two that serve everybody.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_LONGEST_NAME = 253
_PUBLIC_PORTS = (80, 443)
_DISGUISES = tuple(map(ipaddress.ip_network, (  # IPv6 with an IPv4 address in it: NAT64, RFC 6052 and 8215; RFC 7915; RFC 4291
    "64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96",
)))  # fmt: skip


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
        found = _parsed(address)
        if self._lists(host, found):
            return True
        return found.is_global and not found.is_multicast and not _is_disguised(found) and not _is_of_a_site(found)

    def reaches(self, host: str, address: str, port: int) -> bool:
        """The same for one of its ports."""
        listed = self._lists(host, _parsed(address))
        return self.allows(host, address) and (listed or port in _PUBLIC_PORTS or not is_own(address))

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be reached. Raises: OutOfReach, OSError when the name is not known."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        allowed = [str(each[4][0]) for each in found if self.reaches(host, str(each[4][0]), port)]
        if not allowed:
            raise OutOfReach(f"{host} is no public address")
        return list(dict.fromkeys(allowed))

    def _lists(self, host: str, address: _Address) -> bool:
        return host.lower() in self.names or any(address in network for network in self.networks)


def is_own(address: str) -> bool:
    """Whether an address is one of this machine's: who speaks to it speaks from it. Sends nothing."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((address, 9))
            return bool(ipaddress.ip_address(asking.getsockname()[0]) == ipaddress.ip_address(address))
        except OSError:  # no way leads there
            return False


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


def _parsed(address: str) -> _Address:
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def _is_disguised(address: _Address) -> bool:
    """An IPv6 address that leads to an IPv4 one, which nobody has looked at."""
    if isinstance(address, ipaddress.IPv4Address):
        return False
    return any(address in each for each in _DISGUISES) or address.sixtofour is not None or address.teredo is not None


def _is_of_a_site(address: _Address) -> bool:
    """What was private in IPv6 before fc00::/7 was."""
    return isinstance(address, ipaddress.IPv6Address) and address.is_site_local
