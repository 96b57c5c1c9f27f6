"""The URL of a server: one spelling for each, so that two can be compared.

URLs are taken apart by hand: git waits for this, and urllib.parse is slow to import.
"""

from __future__ import annotations

from pushd.errors import PushdError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NEVER_IN_IT = frozenset(' ?#\\"')
_THIS_MACHINE = ("localhost", "127.0.0.1", "[::1]")


class BadServer(PushdError):
    """A text that is no URL of a server."""


def parse_server(text: str) -> str:
    """`http://host:port` (or https, or `unix:/path`) without a slash at the end; the port only if it is not the default.

    A text without a scheme means http on this machine and https elsewhere, for a token will follow. Raises: BadServer, for
    credentials in the URL too: they belong in ~/.netrc.
    """
    if text.startswith("unix:/"):
        return text
    scheme, _, rest = (text if "://" in text else f"{_likely_scheme(text)}://{text}").partition("://")
    location, slash, path = rest.partition("/")
    if "@" in location:
        raise BadServer("The URL of a server holds no user or password.", remedy="Log in with `pushd login` instead.")
    scheme, (host, port) = scheme.lower(), split_location(location.lower())
    plain = text.isascii() and text.isprintable() and not _NEVER_IN_IT & set(text)
    if not plain or scheme not in _DEFAULT_PORTS or not host or port is None:
        raise BadServer(
            f"{_shown(text)} is not the URL of a server.", remedy="Write it as https://myserver:5000, or http://127.0.0.1:5000."
        )
    shown_port = "" if port in (0, _DEFAULT_PORTS[scheme]) else f":{port}"
    return f"{scheme}://{host}{shown_port}{slash}{path}".rstrip("/")


def _likely_scheme(text: str) -> str:
    host, _ = split_location(text.partition("/")[0].lower())
    return "http" if host in _THIS_MACHINE else "https"


def split_location(location: str) -> tuple[str, int | None]:
    """ "host:5000" -> ("host", 5000); IPv6 keeps its brackets. The port is 0 if there is none, None if it cannot be one."""
    address, bracket, rest = location.rpartition("]")
    name, _, port = rest.partition(":")
    number = int(port) if port.isdecimal() else None if port else 0
    return address + bracket + name, None if number is None or number > 65535 else number


def maybe_server(text: str) -> str | None:
    """`parse_server`, or None for a text that is none."""
    try:
        return parse_server(text)
    except BadServer:
        return None


def app_url(server: str, app: str) -> str:
    """The git URL of an app."""
    return f"{server}/{app}.git"


def maybe_app_of(url: str, server: str) -> str | None:
    """The app whose git URL on `server` this is, if it is one; user names in the URL do not matter.

    Nor does it matter by which name this machine is meant, and whether the port is spoken to with TLS: it takes both, and the
    Heroku CLI writes https://localhost:5000/APP.git.
    """
    scheme, mark, rest = url.partition("://")
    location, slash, path = rest.partition("/")
    clean = maybe_server(f"{scheme}{mark}{location.rpartition('@')[2]}{slash}{path}")
    base, slash, last = (clean or "").rpartition("/")
    if not slash or (base != server and (_local_port(base) or -1) != _local_port(server)):
        return None
    return last.removesuffix(".git") or None


def is_this_machine(server: str) -> bool:
    """Whether the URL leads to the machine that it is asked on, whichever that is."""
    return split_location(server.partition("://")[2])[0] in _THIS_MACHINE


def _local_port(server: str) -> int | None:
    """The port of a server that is this machine; None for others, and without a port: http and https have each their own."""
    return (split_location(server.partition("://")[2])[1] or None) if is_this_machine(server) else None


def _shown(text: str) -> str:
    """The text for a message, without what may be a password in it."""
    return repr(text[:80]) if "@" not in text else "This"
