"""What is built, as whoever builds it sees it: a commit that was pushed, or an archive."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from pushd.errors import InvalidParams

_COMMIT = re.compile(r"[0-9a-f]{40}")
_CHECKSUM = re.compile(r"(?:SHA256:)?([0-9a-f]{64})", re.IGNORECASE)
_LONGEST = 200
_LONGEST_URL = 4000


class Source(Protocol):
    """One state of an app's files."""

    @property
    def commit(self) -> str:
        """40 hex digits; of an archive the version that came with it, "" if none did."""

    @property
    def description(self) -> str:
        """First line of the commit's message, or what came with the archive."""

    async def checkout(self, folder: Path) -> None:
        """Write the files into an empty folder. Raises: PushdError for what cannot be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """An archive that somebody wants built: one that was uploaded to us, or one to fetch."""

    url: str = field(repr=False)  # may hold a log-in, or be a secret itself
    upload: UUID | None  # None: it is fetched
    version: str = ""
    description: str = ""
    checksum: str = ""  # SHA-256 in hex
    keeps_top_folder: bool = False  # else a single folder at the top, as in the archives of code hosts, is left out


def short(commit: str, digits: int = 8) -> str:
    """The first digits of a commit's id; another version as it is."""
    return commit[:digits] if _COMMIT.fullmatch(commit) else commit


def deploy_of(commit: str) -> str:
    """The description of a release: "Deploy 1a2b3c4d", as Heroku words it."""
    return f"Deploy {short(commit)}".strip()


def parse_version(text: str | None, what: str = "source_blob.version") -> str:
    """One line of text; "" for none. Raises: InvalidParams."""
    text = text or ""
    if len(text) > _LONGEST or not text.isprintable():
        raise InvalidParams(f"{what} must be one line of at most {_LONGEST} characters.", remedy="Shorten it.")
    return text


def parse_description(text: str | None) -> str:
    """The first line of a description, shortened; "" for none."""
    lines = (text or "").strip().splitlines() or [""]
    return "".join(c if c.isprintable() else " " for c in lines[0])[:_LONGEST]


def parse_checksum(text: str | None, what: str = "source_blob.checksum") -> str:
    """ "SHA256:E3B0..." -> the digits in lower case; "" for none. Raises: InvalidParams."""
    if not text:
        return ""
    found = _CHECKSUM.fullmatch(text)
    if found is None:
        raise InvalidParams(f"{what} is no SHA-256.", remedy="Write SHA256: and 64 hex digits, as `sha256sum` prints them.")
    return found[1].lower()


def fault_of_url(url: str) -> str:
    """Why we would not fetch from this address; "" if we would try."""
    if len(url) > _LONGEST_URL:
        return f"it is longer than {_LONGEST_URL} characters"
    if not url.isascii() or not url.isprintable() or " " in url:
        return "it holds characters that no address has"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "it is no address"
    if parts.scheme not in ("http", "https"):
        return f"{parts.scheme[:20]}:// is not fetched, only https:// and http://" if parts.scheme else "it is no address"
    return "" if parts.hostname and port != 0 else "it names no host"
