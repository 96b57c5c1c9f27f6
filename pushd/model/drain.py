"""Drains: where copies of an app's log lines go. The URL often holds a password, so it is a secret."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from pushd.errors import InvalidParams
from pushd.kit.addresses import host_alone

SCHEMES = ("https", "http", "syslog+tls", "syslog")
DRAINS_PER_APP = 5  # Heroku's limit
URL_LIMIT = 2000  # characters

_VISIBLE = re.compile(r"[!-~]+")  # ASCII without blanks: what a URL is made of (RFC 3986 section 2)
_EXAMPLES = "Write it like https://logs.example.com/path or syslog+tls://logs.example.com:6514."


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """One drain of an app. Log lines name it by its token, never by its URL."""

    id: UUID
    app_id: UUID
    url: str = field(repr=False)
    token: str  # "d.<uuid>"
    created_at: datetime
    updated_at: datetime

    @property
    def shown(self) -> str:
        """All of the URL that may stand in a log."""
        return host_alone(self.url)


def parse_drain_url(text: str) -> str:
    """The URL of a drain, as given.

    Raises: InvalidParams that says the rule and does not repeat the URL: it may hold a password.
    """
    if len(text) > URL_LIMIT or not _VISIBLE.fullmatch(text):
        raise InvalidParams(
            f"Url must be 1 to {URL_LIMIT} visible ASCII characters.", remedy=f"Percent-encode all others. {_EXAMPLES}"
        )
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InvalidParams("Url has no valid host and port.", remedy=_EXAMPLES) from None
    if parts.scheme not in SCHEMES:
        raise InvalidParams(f"Url must start with {', '.join(f'{each}://' for each in SCHEMES)}.", remedy=_EXAMPLES)
    if not host:
        raise InvalidParams("Url names no host.", remedy=_EXAMPLES)
    if parts.fragment:
        raise InvalidParams("Url has a part after #, which is never sent.", remedy="Leave it out.")
    return text
