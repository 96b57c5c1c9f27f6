"""Names and addresses: by which other machines may reach this one, what counts as one of theirs, and what of one is shown."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")


def is_host(text: str) -> bool:
    """Whether it is a host name or an address, as a certificate can have them."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return len(text) <= 253 and bool(_NAME.fullmatch(text))
    return True


def own_names() -> list[str]:
    """The host name and all addresses but those of links, sorted; what a router or a cloud translates is not known here."""
    import psutil  # only the daemon asks; settings are read by others too

    found = {socket.gethostname()}
    for addresses in psutil.net_if_addrs().values():
        for each in addresses:
            if each.family in (socket.AF_INET, socket.AF_INET6):
                found.add(each.address)
    return sorted(name for name in found if is_host(name) and not _is_of_a_link(name))


def _is_of_a_link(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_link_local
    except ValueError:
        return False


def host_alone(url: str) -> str:
    """Scheme, host and port: what of an address is no secret, for logs and for who may not see the rest."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def address_of(remote: str | None) -> str:
    """What a client's address is called where it is shown, kept or counted; `remote` as aiohttp knows it."""
    return remote or "a local socket"


def source_of(address: str) -> str:
    """What counts as one source: an IPv4 address, the network of an IPv6 one that is one customer's (/64)."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
