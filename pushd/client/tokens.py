"""Which token is a server's, and which servers are this user's: one rule for our commands and for git's question.

Token:  PUSHD_API_KEY (only for PUSHD_HOST's server when that is set), ~/.netrc, `admin.token` of a data folder whose
        endpoints.json names that very API.
Ours:   the server that PUSHD_HOST names, that of such a data folder, that of a marked git remote of this folder.

git asks during each push and waits: the usual answer needs no import that costs time, others stand where they are needed.
"""

from __future__ import annotations

import os

from pushd.client.server import maybe_server
from pushd.errors import PushdError
from pushd.surroundings import ADMIN_TOKEN, CA, ENDPOINTS, likely_data_folders

TYPE_CHECKING = False  # `typing` itself is slow to import
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class LocalDaemon:
    """A data folder that this user may read, and the API that its daemon has (or had: it may be down)."""

    __slots__ = ("api", "folder")

    def __init__(self, folder: str, api: str) -> None:
        self.folder = folder
        self.api = api

    def maybe_token(self) -> str | None:
        return (_maybe_text(os.path.join(self.folder, ADMIN_TOKEN)) or "").strip() or None

    def maybe_ca(self) -> str | None:
        file = os.path.join(self.folder, CA)
        return file if os.path.exists(file) else None


def local_daemons(environ: Mapping[str, str]) -> list[LocalDaemon]:
    """Daemons whose endpoints.json this user may read, the likeliest first."""
    return [LocalDaemon(folder, api) for folder in likely_data_folders(environ) if (api := _maybe_api(folder))]


def maybe_local(server: str, environ: Mapping[str, str]) -> LocalDaemon | None:
    """The daemon of this machine that has this very API."""
    return next((local for local in local_daemons(environ) if local.api == server), None)


def maybe_token(server: str, environ: Mapping[str, str]) -> str | None:
    """The token for one server, from the places that may give it away to that server.

    Raises: PushdError for a key that cannot be a token, NetrcTrouble.
    """
    key = environ.get("PUSHD_API_KEY")
    if key and maybe_server(environ.get("PUSHD_HOST", "")) in (None, server):
        return _checked(key.strip(), "PUSHD_API_KEY")
    path = netrc_path(environ)
    if os.path.exists(path):
        from pushd.client.netrc import Netrc

        if token := Netrc(path).maybe_password(server):
            return _checked(token, path)
    local = maybe_local(server, environ)
    return local.maybe_token() if local else None


def is_ours(server: str, environ: Mapping[str, str], folder: Path | str) -> bool:
    """Whether this folder, this environment or this user's files know the server: only then may git get its token."""
    if server == maybe_server(environ.get("PUSHD_HOST", "")) or maybe_local(server, environ):
        return True
    from pushd.client.gitconfig import Git

    return server in Git(folder, environ).configured_servers()


def answer_git(question: bytes, environ: Mapping[str, str], folder: Path | str = ".") -> bytes:
    """What a credential helper answers to `get`: user name and token, or nothing for a host that is not ours.

    git asks on by itself when there is no answer, so trouble with a token is no reason to fail.
    Source: git-credential(1), "INPUT/OUTPUT FORMAT".
    """
    asked = _parsed(question)
    server = _server_of(asked)
    try:
        token = maybe_token(server, environ) if server else None
    except PushdError:
        return b""
    if not server or not token or not is_ours(server, environ, folder):
        return b""
    answer = f"username={asked.get('username') or 'pushd'}\npassword={token}\n"
    return answer.encode("utf-8", "surrogateescape")


def why_no_answer(question: bytes, environ: Mapping[str, str], folder: Path | str = ".") -> str:
    """What to tell whoever runs git when a server that is ours got no answer; "" for others, which are no business of ours."""
    server = _server_of(_parsed(question))
    if not server or not is_ours(server, environ, folder):
        return ""
    try:
        return "" if maybe_token(server, environ) else f"No token of {server} is known here.\nRun: pushd login --host {server}"
    except PushdError as error:
        return error.text


def _parsed(question: bytes) -> dict[str, str]:
    lines = question.decode("utf-8", "surrogateescape").split("\n")
    return dict(line.rstrip("\r").partition("=")[::2] for line in lines if "=" in line)


def _server_of(asked: Mapping[str, str]) -> str | None:
    return maybe_server(f"{asked.get('protocol', '')}://{asked.get('host', '')}")


def netrc_path(environ: Mapping[str, str]) -> str:
    return os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".netrc")


def _maybe_api(folder: str) -> str | None:
    """What endpoints.json names as its `api`.

    The file is our daemon's own: one string is cut out of it, for the json module costs more than all the rest that git
    waits for. What does not look as our daemon writes it is read as JSON.
    """
    text = _maybe_text(os.path.join(folder, ENDPOINTS)) or ""
    api = text.partition('"api": "')[2].partition('"')[0]
    if api and "\\" not in api:
        return maybe_server(api)
    import json

    try:
        value = json.loads(text)["api"]
        return maybe_server(value) if isinstance(value, str) else None
    except (ValueError, KeyError, TypeError):
        return None


def _maybe_text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        return None


def _checked(token: str, origin: str) -> str:
    """Raises: PushdError for what no header can carry; the text does not show it."""
    if not token.isascii() or not token.isprintable() or " " in token:
        raise PushdError(f"The token from {origin} cannot be one: it has blanks or other characters in it.",
                         remedy="Set it again; the server prints it once, admin.token holds the operator's.")  # fmt: skip
    return token
