"""Buildpacks as people name them: one that this server has, or the address of somebody's."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit, urlunsplit

from pushd.errors import InvalidParams
from pushd.model.source import fault_of_url

URN = "urn:buildpack:heroku/"
LIMIT = 25  # of one app
_OURS = (  # all the ways to name one that this server has
    re.compile(r"(?:urn:buildpack:)?(?:heroku/)?([a-z0-9][a-z0-9_-]*)"),
    re.compile(r"https://github\.com/heroku/heroku-buildpack-([a-z0-9_-]+?)(?:\.git)?/?"),
    re.compile(r"https://buildpack-registry\.s3\.amazonaws\.com/buildpacks/heroku/([a-z0-9_-]+)\.tgz"),
    re.compile(r"https://codon-buildpacks\.s3\.amazonaws\.com/buildpacks/heroku/([a-z0-9_-]+)\.tgz"),
)
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")


def maybe_installed(name: str, installed: Collection[str]) -> str | None:
    """The folder of ours that `name` means, such as "python" for heroku/python; None if it means none."""
    found = next((match[1] for pattern in _OURS if (match := pattern.fullmatch(name))), None)
    return found if found in installed else None


def parse_buildpack(text: str, installed: Collection[str]) -> str:
    """The one way in which a buildpack is stored: `urn:buildpack:heroku/<name>` for ours, else its http(s) address.

    Raises: InvalidParams for a name that we do not have, or an address that we would not fetch.
    """
    if "://" not in text:
        name = maybe_installed(text, installed)
        if name is None:
            known = ", ".join(f"heroku/{each}" for each in sorted(installed)) or "none"
            raise InvalidParams(
                f"There is no buildpack called {text[:100]!r} on this server.",
                remedy=f"Installed: {known}. For another give the https:// address of its git repository or .tgz.",
            )
        return f"{URN}{name}"
    if fault := fault_of_address(text):
        raise InvalidParams(f"Cannot use the buildpack {shown(text)[:200]!r}: {fault}.",
                            remedy="Give an address such as https://github.com/user/buildpack.git#branch.")  # fmt: skip
    return text


def parse_buildpacks(texts: Sequence[str], installed: Collection[str]) -> tuple[str, ...]:
    """A whole list, in its order. Raises: InvalidParams, also when one is there twice or when there are too many."""
    if len(texts) > LIMIT:
        raise InvalidParams(f"An app can have {LIMIT} buildpacks, not {len(texts)}.", remedy="Leave some out.")
    urls = tuple(parse_buildpack(text, installed) for text in texts)
    meant = [maybe_installed(url, installed) or url for url in urls]
    if twice := [url for index, url in enumerate(urls) if meant[index] in meant[:index]]:
        raise InvalidParams(f"The buildpack {short_name(twice[0])} is there twice.", remedy="Name each of them once.")
    return urls


def short_name(url: str) -> str:
    """As people know it: heroku/python, or the address without a log-in."""
    return f"heroku/{url.removeprefix(URN)}" if url.startswith(URN) else shown(url)


def shown(url: str) -> str:
    """An address without user name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def fault_of_address(url: str) -> str:
    """Why a buildpack is not fetched from there; "" if we would try."""
    branch = urlsplit(url).fragment if not (fault := fault_of_url(url)) else ""
    if branch and (not _BRANCH.fullmatch(branch) or ".." in branch):
        return "what follows the # is no branch"
    return fault
