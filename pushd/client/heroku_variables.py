"""The environment in which the Heroku CLI, and the git that it calls, mean a pushd server; and the way back.

What stood in those variables before is kept in one more, `PUSHD_HEROKU_ENV`: so that a second call begins where the first
did, and `--unset` leaves the shell as it was. Pure: nothing is read or written here.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from pushd.errors import PushdError

KEPT = "PUSHD_HEROKU_ENV"
_LOCAL = ("localhost", "127.0.0.1", "::1")
_ELSEWHERE = (  # each would lead the CLI to another account, another host, or to teams that we do not have
    "HEROKU_CLOUD", "HEROKU_DATA_CONTROL_PLANE", "HEROKU_GIT_HOST", "HEROKU_HEADERS", "HEROKU_ORG", "HEROKU_ORGANIZATION",
    "HEROKU_PARTICLEBOARD_HEADERS", "HEROKU_TEAM",
)  # fmt: skip
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
Changes = Mapping[str, str | None]  # name -> new value; None takes the variable away


class NotLocal(PushdError):
    """The CLI gives its token to localhost and to Heroku's own hosts only."""


def find_port(server: str) -> int:
    """The port of localhost that a server's URL means. Raises: NotLocal for a server elsewhere or on a unix socket."""
    if server.startswith("unix:"):
        raise NotLocal(
            "The Heroku CLI cannot speak to a unix socket.", remedy="Let the API listen on 127.0.0.1:PORT: --api-listen."
        )
    url = urlsplit(server)
    port = url.port or (443 if url.scheme == "https" else 80)
    if url.hostname not in _LOCAL or url.path:
        raise NotLocal(
            f"The Heroku CLI sends its token to localhost only, and {server} is elsewhere.",
            remedy=f"Forward a port, `ssh -N -L {port}:127.0.0.1:{port} {url.hostname}`, then name it: "
            f"--host http://localhost:{port}.",
        )
    return port


def plan_changes(environ: Mapping[str, str], *, port: int, token: str, git_authority: str, node_authorities: str) -> Changes:
    """What to set and what to take away. `environ` is the shell's own, see `original`.

    `git_authority` is the file with our CA alone; `node_authorities` the one with ours and what the shell has already.
    """
    server = f"http://localhost:{port}"
    changes: dict[str, str | None] = {
        "HEROKU_HOST": server,
        "HEROKU_API_KEY": token,
        "HEROKU_PARTICLEBOARD_URL": server,
        "HEROKU_LOGIN_HOST": server,
        "HEROKU_DATA_HOST": "localhost",  # a bare name: the CLI adds the scheme and port of HEROKU_HOST
        "HEROKU_BUILDPACK_REGISTRY_URL": server,
        "DISABLE_TELEMETRY": "true",
        "HEROKU_SKIP_ANALYTICS": "1",
        "HEROKU_DISABLE_AUTOUPDATE": "1",
        "HEROKU_SKIP_NEW_VERSION_CHECK": "1",
        "NODE_EXTRA_CA_CERTS": node_authorities,
        **_for_git(environ, port, git_authority),
        **_past_proxies(environ),
        **{name: None for name in _ELSEWHERE if name in environ},
    }
    changes[KEPT] = json.dumps({name: environ.get(name) for name in changes})
    return changes


def plan_undoing(environ: Mapping[str, str]) -> Changes:
    """What brings back the shell's own variables; nothing where `plan_changes` was never in force."""
    kept = _kept(environ)
    return {**kept, KEPT: None} if KEPT in environ else {}


def original(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment as it was before any change of ours."""
    found = {**environ, **plan_undoing(environ)}
    return {name: value for name, value in found.items() if value is not None}


def shell_text(changes: Changes, shell: str) -> str:
    """The changes as lines that a shell (fish, or one that knows POSIX) evaluates."""
    to_set, to_unset, quoted = _WORDS["fish" if shell == "fish" else "sh"]
    return "\n".join(
        to_unset.format(name) if value is None else to_set.format(name, quoted(value)) for name, value in changes.items()
    )


def _for_git(environ: Mapping[str, str], port: int, authority: str) -> Changes:
    """Entries of git's config for this one URL: other hosts keep the CAs and the credential helpers that they have.

    GIT_SSL_CAINFO would beat the CA, so its file moves to git's config as well, where ours comes before it. The CLI gives git
    the token; the empty helper before it resets those of the user's own config: a store that keeps tokens never sees ours,
    and cannot come with that of another server that had this port.
    Source: git-config(1), GIT_CONFIG_COUNT and http.<url>.*; gitcredentials(7), helper.
    """
    text = environ.get("GIT_CONFIG_COUNT", "")
    count = int(text) if text.isascii() and text.isdigit() else 0
    url = f"https://localhost:{port}"
    helper = f"credential.{url}.helper"
    entries = [(f"http.{url}/.sslCAInfo", authority), (helper, ""), (helper, "!heroku git:credentials")]
    changes: dict[str, str | None] = {}
    if others := environ.get("GIT_SSL_CAINFO"):
        entries.insert(0, ("http.sslCAInfo", others))
        changes["GIT_SSL_CAINFO"] = None
    for number, (key, value) in enumerate(entries, count):
        changes |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {**changes, "GIT_CONFIG_COUNT": str(count + len(entries))}


def _past_proxies(environ: Mapping[str, str]) -> Changes:
    """Where a proxy is set, localhost must be named as an exception: the CLI asks the proxy for it else."""
    if not any(environ.get(name) or environ.get(name.upper()) for name in _PROXIES):
        return {}
    present = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    names = [name for name in present.replace(",", " ").split() if name]
    if "*" in names or "localhost" in names:
        return {}
    text = ",".join([*names, "localhost"])
    return {"no_proxy": text, "NO_PROXY": text}


def _kept(environ: Mapping[str, str]) -> Changes:
    try:
        found = json.loads(environ.get(KEPT, "{}"))
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if _NAME.fullmatch(name) and (value is None or isinstance(value, str))}


def _quote_for_fish(text: str) -> str:
    """Source: fish's documentation, "Quotes": within single quotes only \\\\ and \\' are special."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_WORDS: Mapping[str, tuple[str, str, Callable[[str], str]]] = {
    "sh": ("export {}={}", "unset {}", shlex.quote),
    "fish": ("set -gx {} {}", "set -e {}", _quote_for_fish),
}
