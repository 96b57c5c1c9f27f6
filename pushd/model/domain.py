"""Domains: the names by which visitors reach an app."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import idna

from pushd.errors import InvalidParams

DOMAINS_PER_APP = 1000  # Heroku's limit
HOSTNAME_LIMIT = 253  # characters: RFC 1035 section 2.3.4, without the last dot
_TEXT_LIMIT = 1000  # of what is even looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A custom domain of an app; its default domain follows from its name and has no row."""

    id: UUID
    app_id: UUID
    hostname: str  # ASCII, lower case; "*.example.com" stands for one label
    endpoint_id: UUID | None  # the certificate it is served with
    endpoint_name: str | None
    created_at: datetime
    updated_at: datetime


def default_hostname(app_name: str, server_domain: str) -> str:
    """`blog.localhost`: where every app is reached from the start."""
    return f"{app_name}.{server_domain}".lower()


def is_servers_own(hostname: str, server_domain: str) -> bool:
    """Whether a name is the server's domain, or one that an app may have by default."""
    domain = server_domain.lower()
    return hostname == domain or hostname.partition(".")[2] == domain


def parse_hostname(text: str, *, server_domain: str) -> str:
    """The name as it stands in a Host header: "Bücher.example.com." -> "xn--bcher-kva.example.com".

    Raises: InvalidParams that says the rule. Source: RFC 1123 section 2.1, RFC 5891; a wildcard is a whole first label.
    """
    wildcard, name = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    hostname = wildcard + _ascii(name, text)
    if len(hostname) > HOSTNAME_LIMIT:
        raise _invalid(text, f"it is longer than {HOSTNAME_LIMIT} characters")
    labels = hostname.removeprefix("*.").split(".")
    if len(labels) < 2:
        raise _invalid(text, "it has to be a full name")
    if labels[-1].isdigit() or re.fullmatch(r"0x[0-9a-f]*", labels[-1]):
        raise _invalid(text, "an address is no name")
    if is_servers_own(hostname, server_domain):
        raise InvalidParams(
            f"{hostname} belongs to this server: the names below {server_domain} are those of its apps.",
            remedy="Give the app that name with apps:rename, or add a domain of your own.",
        )
    return hostname


def covers(names: Iterable[str], hostname: str) -> bool:
    """Whether a certificate for `names` is good for `hostname`: its wildcards stand for exactly one label (RFC 6125)."""
    wanted = {hostname, "*." + hostname.partition(".")[2]}
    return any(name.lower() in wanted for name in names)


def _ascii(name: str, text: str) -> str:
    if len(name) > _TEXT_LIMIT:
        raise _invalid(text, f"it is longer than {HOSTNAME_LIMIT} characters")
    try:
        return idna.encode(name, uts46=True).decode("ascii").lower().removesuffix(".")
    except (idna.IDNAError, UnicodeError):
        raise _invalid(text, "it has a part that no host name can have") from None


def _invalid(text: str, why: str) -> InvalidParams:
    return InvalidParams(
        f"{text[:80]!r} is not a valid domain name: {why}.", remedy="Write it like www.example.com or *.example.com."
    )
