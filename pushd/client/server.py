"""The URL of a server: one spelling for each, so that two can be compared."""

from __future__ import annotations

from urllib.parse import urlsplit

from pushd.errors import PushdError

_DEFAULT_PORTS = {"http": 80, "https": 443}


class BadServer(PushdError):
    """A text that is no URL of a server."""


def parse_server(text: str) -> str:
    """`http://host:port` (or https, or `unix:/path`) without a slash at the end; the port only if it is not the default.

    A text without a scheme is taken as http. Raises: BadServer, for credentials in the URL too: they belong in ~/.netrc.
    """
    if text.startswith("unix:/"):
        return text
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        host, port = (url.hostname or "").lower(), url.port
    except ValueError:
        host, port, url = "", None, urlsplit("")
    plain = text.isascii() and text.isprintable() and " " not in text and not (url.query or url.fragment)
    if not host or url.scheme not in _DEFAULT_PORTS or not plain:
        raise BadServer(f"{_shown(text)} is not the URL of a server.", remedy="Write it as http://127.0.0.1:5000.")
    if "@" in url.netloc:
        raise BadServer("The URL of a server holds no user or password.", remedy="Log in with `pushd login` instead.")
    return f"{url.scheme}://{host_and_port(host, port, url.scheme)}{url.path.rstrip('/')}"


def maybe_server(text: str) -> str | None:
    """`parse_server`, or None for a text that is none."""
    try:
        return parse_server(text)
    except BadServer:
        return None


def host_and_port(host: str, port: int | None, scheme: str) -> str:
    """`host:port` as URLs and git's credential protocol spell it: no default port, brackets around IPv6."""
    name = f"[{host}]" if ":" in host else host
    return name if port in (None, _DEFAULT_PORTS[scheme]) else f"{name}:{port}"


def app_url(server: str, app: str) -> str:
    """The git URL of an app."""
    return f"{server}/{app}.git"


def maybe_app_of(url: str, server: str) -> str | None:
    """The app whose git URL on `server` this is, if it is one; user names in the URL do not matter."""
    scheme, mark, rest = url.partition("://")
    location, slash, path = rest.partition("/")
    clean = maybe_server(f"{scheme}{mark}{location.rpartition('@')[2]}{slash}{path}")
    if clean is None or not clean.startswith(server + "/"):
        return None
    app = clean.removeprefix(server + "/").removesuffix(".git")
    return app if app and "/" not in app else None


def _shown(text: str) -> str:
    """The text for a message, without what may be a password in it."""
    return repr(text[:80]) if "@" not in text else "This"
