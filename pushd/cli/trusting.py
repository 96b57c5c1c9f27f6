"""A server whose certificate nobody signed whom we know: its CA is shown, a person says yes once, and it is kept."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pushd.cli import render
from pushd.client.discovery import Discovery
from pushd.client.gitconfig import GitTrouble
from pushd.client.transport import NotOurs, Untrusted
from pushd.client.trust import trusted_file
from pushd.errors import PushdError
from pushd.kit.atomic import write_atomically
from pushd.kit.fingerprint import fingerprint, first_certificate


def trust_server(where: Discovery, expected: str | None) -> None:
    """Return once the server of `where` is trusted, by our commands and by git; most are at once.

    `expected`: the fingerprint, from whoever runs the server, instead of the question; one that is trusted has to have it too.
    Raises: PushdError if it is another one or nobody says yes, Unreachable, Untrusted if the CA is not the reason.
    """
    if not where.server.startswith("https:"):
        if expected is not None:
            raise PushdError(f"{where.server} has no CA to compare.", remedy="Write https://, or leave --fingerprint away.")
        return
    try:
        where.client_with(None).check_reachable()
    except Untrusted as error:
        authority = _one_certificate(where.server, where.stranger().authority())
        _confirm(where.server, fingerprint(authority), expected, error, before=_maybe_kept(where))
        _keep(where, authority)
    else:
        _check_expected(where, expected)
    _tell_what_git_does(where)


def _check_expected(where: Discovery, expected: str | None) -> None:
    if expected is not None:
        shown = _maybe_kept(where) or fingerprint(_one_certificate(where.server, where.client_with(None).authority()))
        _compare(where.server, shown, expected)


def _tell_what_git_does(where: Discovery) -> None:
    """This variable beats git's config, and so the CA that is named there for this server."""
    others = where.environ.get("GIT_SSL_CAINFO")
    if others and where.maybe_ca() is not None:
        render.warn("GIT_SSL_CAINFO is set: git trusts that file alone, and `git push` fails unless the server's CA is in it.")
        render.hint(f"Unset it where you push; git config --global http.sslCAInfo {others} keeps it for other servers.")


def _maybe_kept(where: Discovery) -> str | None:
    """The fingerprint of what this server was trusted by so far, if that is a CA of its own."""
    file = where.maybe_ca()
    try:
        return fingerprint(Path(file).read_bytes()) if file is not None else None
    except (OSError, ValueError):
        return None


def _one_certificate(server: str, answered: bytes) -> bytes:
    """The certificate whose fingerprint is compared, and nothing else: a stranger may have sent others along with it."""
    try:
        return first_certificate(answered)
    except ValueError as error:
        raise NotOurs(f"{server} has no CA certificate that can be read.", remedy="Is it a pushd of this version?") from error


def _compare(server: str, shown: str, expected: str) -> None:
    if _bare(expected) != _bare(shown):
        raise PushdError(
            f"{server} has another CA: its fingerprint is {shown}.",
            remedy="Somebody may stand between. Ask who runs the server: `pushd serve --check` shows it there.",
        )


def _confirm(server: str, shown: str, expected: str | None, error: Untrusted, *, before: str | None) -> None:
    """Return if this CA is the one; `before`: the one that was, whose place it takes."""
    if expected is not None:
        return _compare(server, shown, expected)
    if before == shown:
        return
    if before is not None:
        render.warn(f"The CA of {server} has changed: somebody may stand between. Until now it had the fingerprint")
        render.hint(f"  {before}")
        if not sys.stdin.isatty():
            raise PushdError(
                f"The CA of {server} is another one than before, and somebody may stand between.",
                remedy="Ask who runs the server for its fingerprint, which `pushd serve --check` shows, and add --fingerprint.",
            )
    render.hint(f"{server} has a CA of its own, SHA-256 fingerprint\n  {shown}")
    render.hint("Compare it with what `pushd serve --check` shows on the server, or the daemon's log.")
    if not sys.stdin.isatty():
        raise PushdError(error.message, remedy=f"If that is the server's own, add --fingerprint {shown}.")
    if not click.confirm("Trust it from now on?", default=False, err=True):
        raise PushdError("Not logged in.", remedy="Ask who runs the server for the fingerprint of its CA.")


def _keep(where: Discovery, authority: bytes) -> None:
    """Raises: PushdError when it cannot be written; Untrusted, and nothing is kept, when it does not help."""
    file = Path(trusted_file(where.server, where.environ))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_bytes() if file.exists() else None
        write_atomically(file, authority)
    except OSError as error:
        raise PushdError(
            f"Cannot keep the server's CA in {file.parent}: {error.strerror}.",
            remedy="Set XDG_CONFIG_HOME to a folder of yours.",
        ) from error
    try:
        where.client_with(None).check_reachable()
    except Untrusted as error:
        if before is None:
            file.unlink()
        else:
            write_atomically(file, before)
        raise Untrusted(
            error.message,
            remedy="Use a name that its certificate has; the operator adds names with the setting api_names.",
        ) from error
    try:
        where.git.trust(where.server, str(file))
    except GitTrouble as error:
        render.warn(f"git will not trust this server yet: {error.message}")


def _bare(text: str) -> str:
    """A fingerprint however it was written down."""
    return text.strip().lower().removeprefix("sha256").lstrip(" :=").replace(":", "").replace(" ", "")
