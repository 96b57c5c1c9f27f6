"""Log in, log out, who am I: tokens live in ~/.netrc."""

from __future__ import annotations

import sys

import click

from pushd.cli import render
from pushd.cli.options import discover, host_option, json_option, on_server
from pushd.cli.trusting import trust_server
from pushd.client.client import Client
from pushd.client.discovery import Discovery
from pushd.errors import PushdError, Unauthorized

LOGIN_SECONDS = 30 * 86400  # how long a token that a password made is valid, as in the Heroku CLI


@click.command("auth:login")
@click.argument("server", required=False)
@click.option("-i", "--interactive", is_flag=True, help="Ask for e-mail address and password instead of a token.")
@click.option("--invitation", is_flag=True, help="Set a password with the invitation that an admin gave you, and log in.")
@click.option(
    "-e",
    "--expires-in",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="Keep a new token that ends after so long. [30 days with a password]",
)
@click.option(
    "--fingerprint", metavar="SHA256", help="Of the server's own CA: trust it if it is this one, and ask no question."
)
@host_option
@json_option
def login(
    server: str | None,
    interactive: bool,
    invitation: bool,
    expires_in: int | None,
    fingerprint: str | None,
    host: str | None,
    as_json: bool,
) -> None:
    """Log in to a server.

    SERVER is its URL, such as https://myserver:5000. A server with a CA of its own shows that one's fingerprint, and you are
    asked once whether to trust it; our commands and git do from then on.

    With a token, or with your e-mail address and password; both are asked for, or read from a pipe line by line. A token is
    kept in ~/.netrc for our commands, git and curl. The operator's stands in admin.token of the server's data folder.

    \b
    Examples:
        pushd login https://myserver:5000
        pushd login --invitation https://myserver:5000
        ssh myserver cat /var/lib/pushd/admin.token | pushd login https://myserver:5000 --fingerprint AB:CD:...
    """
    where = discover(host=host or server)
    trust_server(where, fingerprint)
    if invitation:
        token = _accept(where, expires_in)
    elif interactive:
        token = _log_in(where, _ask_email(f"Email for {where.server}"), expires_in)
    elif text := _ask(
        f"Token for {where.server} (press Enter to give e-mail address and password)", may_be_empty=sys.stdin.isatty()
    ):
        token = _check_token(where, text, expires_in)
    else:
        token = _log_in(where, _ask_email("Email"), expires_in)
    account = where.client_with(token).account()
    where.netrc.save(where.server, login=account["email"], token=token)
    if as_json:
        return render.json(account)
    render.out(f"Logged in to {where.server} as {account['email']}")
    if not _is_found(where.server):
        render.hint(f"In folders without an app of it: export PUSHD_HOST={where.server}")


@click.command("auth:password")
@host_option
def password(host: str | None) -> None:
    """Set or change the password of your account.

    Asked for, or read from a pipe: the one that holds (an empty line if there is none), then the new one.

    \b
    Example:
        pushd auth:password
    """
    where = discover(host=host)
    current = _ask("Current password (press Enter if you have none)", may_be_empty=True, what="password")
    new = _ask_new_password()
    with render.doing("Changing your password"):
        where.client.change_password(new, current=current or None)


@click.command("auth:logout")
@host_option
@json_option
def logout(host: str | None, as_json: bool) -> None:
    """Forget the token of a server.

    It leaves ~/.netrc and stays valid elsewhere.

    \b
    Example:
        pushd logout --host http://myserver:5000
    """
    where = discover(host=host)
    removed = where.netrc.remove(where.server)
    if as_json:
        return render.json({"server": where.server, "removed": removed})
    if removed:
        render.out(f"Logged out of {where.server}")
    else:
        render.hint(f"{where.netrc.path} holds no token of {where.server}.")


@click.command("auth:whoami")
@on_server
@json_option
def whoami(client: Client, as_json: bool) -> None:
    """Show who you are on the server.

    \b
    Example:
        pushd whoami
    """
    account = client.account()
    if as_json:
        return render.json(account)
    render.out(account["email"])


@click.command("auth:token")
@host_option
@json_option
def token(host: str | None, as_json: bool) -> None:
    """Print the token that commands use.

    Whoever has it is you: mind where it goes. `pushd authorizations:create` makes one for a program.

    \b
    Example:
        curl -H "Authorization: Bearer $(git pushd auth:token)" http://myserver:5000/account
    """
    where = discover(host=host)
    found = where.find_token(where.server)
    if as_json:
        return render.json({"server": where.server, "token": found})
    render.out(found)


def _is_found(server: str) -> bool:
    """Whether commands that are given no server mean this one, here."""
    try:
        return discover().server == server
    except PushdError:
        return False


def _accept(where: Discovery, expires_in: int | None) -> str:
    """Use an invitation; gives a token."""
    invitation = _ask(f"Invitation to {where.server}", what="invitation")
    password = _ask_new_password()
    user = where.client_with(None).use_invitation(invitation, password)
    return _token_for(where, user["email"], password, expires_in)


def _log_in(where: Discovery, email: str, expires_in: int | None) -> str:
    return _token_for(where, email, _ask(f"Password for {email}", what="password"), expires_in)


def _token_for(where: Discovery, email: str, password: str, expires_in: int | None) -> str:
    try:
        made = where.client_with(None).log_in(
            email, password, description=_description(), expires_in=expires_in or LOGIN_SECONDS
        )
    except Unauthorized as error:
        raise Unauthorized(
            f"{where.server} does not know that address with that password.",
            remedy="Try again; without a password ask an admin of the server for an invitation.",
        ) from error
    return made["access_token"]["token"]


def _check_token(where: Discovery, text: str, expires_in: int | None) -> str:
    """The token that was given, if the server knows it, or a new one that ends."""
    if not text.isascii() or " " in text:
        raise PushdError("That is no token.", remedy="Copy it whole: letters, digits and dashes, in one line.")
    try:
        where.client_with(text).account()
    except Unauthorized as error:
        raise Unauthorized(f"{where.server} does not know that token.", remedy="Copy it again, whole.") from error
    if expires_in is None:
        return text
    made = where.client_with(text).create_authorization(description=_description(), expires_in=expires_in)
    return made["access_token"]["token"]


def _description() -> str:
    import socket

    return f"pushd login from {socket.gethostname()}"


def _ask_new_password() -> str:
    """Twice on a terminal, where one sees nothing of it."""
    if sys.stdin.isatty():
        return str(click.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))
    return _ask("New password", what="password")


def _ask_email(prompt: str) -> str:
    return str(click.prompt(prompt, err=True)) if sys.stdin.isatty() else _ask(prompt, what="e-mail address")


def _ask(prompt: str, *, may_be_empty: bool = False, what: str = "token") -> str:
    """A secret, typed unseen or the next line of a pipe; the blanks around it belong to a password.

    Raises: PushdError for an empty answer or one that is no text; it does not show it.
    """
    if sys.stdin.isatty():
        default = "" if may_be_empty else None
        text = str(click.prompt(prompt, default=default, show_default=False, hide_input=True, err=True))
    else:
        line = sys.stdin.readline()
        text, may_be_empty = line.rstrip("\r\n"), may_be_empty and bool(line)
    text = text if what == "password" else text.strip()
    if not text and may_be_empty:
        return ""
    if not text or not text.isprintable():
        raise PushdError(f"That is no {what}.", remedy=f"Give the {what} in one line.")
    return text
