"""How many connections there may be, and which one goes when there is one too many. Pure."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import TypeVar

T = TypeVar("T", bound=Hashable)

LOGIN_SECONDS = 30.0  # from the first byte to a login
UNKNOWN_AT_MOST = 100  # connections without a login
UNKNOWN_PER_SOURCE = 10
KEYS_TRIED = 20  # in one connection: an agent may hold many
CONNECTIONS_PER_USER = 50
SESSIONS_PER_CONNECTION = 10
KEEP_ALIVE_SECONDS, UNANSWERED = 30.0, 4  # who does not answer so often is gone

_IPV6_SITE = 64  # bits: one customer has all addresses that begin so


def source_of(address: str) -> str:
    """What counts as one source: an IPv4 address, or a network of IPv6."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, _IPV6_SITE), strict=False))
    return str(ip)


def plan_room(waiting: Mapping[T, str], source: str) -> T | None:
    """Which of the connections without a login (oldest first, with their sources) makes room for one more; None: nobody has to.

    A source that has as many as it may have makes room itself; when there are too many in all, the one with most does.
    """
    counts = Counter(waiting.values())
    if counts[source] >= UNKNOWN_PER_SOURCE:
        crowded = source
    elif len(waiting) >= UNKNOWN_AT_MOST:
        crowded = counts.most_common(1)[0][0]
    else:
        return None
    return next(each for each, of in waiting.items() if of == crowded)
