"""Log in, log out, who am I: tokens live in ~/.netrc."""

from __future__ import annotations

import sys

import click

from pushd.cli import render
from pushd.cli.options import discover, host_option, json_option, on_server
from pushd.client.client import Client
from pushd.errors import PushdError, Unauthorized


@click.command("auth:login")
@click.option("-i", "--interactive", is_flag=True, help="Ask for the e-mail address too, and check that the token is its own.")
@click.option(
    "-e",
    "--expires-in",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="Keep a new token that ends after so long, made with the one that you give.",
)
@host_option
@json_option
def login(interactive: bool, expires_in: int | None, host: str | None, as_json: bool) -> None:
    """Log in to a server with a token.

    The token is asked for, or read from a pipe, and kept in ~/.netrc for our commands, git and curl. The operator's stands
    in admin.token of the server's data folder.

    \b
    Examples:
        pushd login --host http://myserver:5000
        ssh myserver cat /var/lib/pushd/admin.token | pushd login --host http://myserver:5000
    """
    where = discover(host=host)
    server = where.server
    email = click.prompt(f"Email for {server}", err=True) if interactive else None
    token = _ask_token(server)
    try:
        account = where.client_with(token).account()
    except Unauthorized as error:
        raise Unauthorized(f"{server} does not know that token.", remedy="Copy it again, whole.") from error
    if email not in (None, account["email"]):
        raise Unauthorized(f"That token belongs to {account['email']}.", remedy="Log in with your own.")
    if expires_in is not None:
        token = _make_token(where.client_with(token), expires_in)
    where.netrc.save(server, login=account["email"], token=token)
    if as_json:
        return render.json(account)
    render.out(f"Logged in to {server} as {account['email']}")


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


def _make_token(client: Client, expires_in: int) -> str:
    import socket

    made = client.create_authorization(description=f"pushd login from {socket.gethostname()}", expires_in=expires_in)
    return made["access_token"]["token"]


def _ask_token(server: str) -> str:
    """Raises: PushdError for an empty answer or one that can be no token; the text does not show it."""
    if sys.stdin.isatty():
        token = click.prompt(f"Token for {server}", hide_input=True, err=True)
    else:
        token = sys.stdin.readline()
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise PushdError("That is no token.", remedy="Copy it whole: letters, digits and dashes, in one line.")
    return str(token)
