"""Log in, log out, who am I: tokens live in ~/.netrc."""

from __future__ import annotations

import sys

import click

from pushd.cli import render
from pushd.cli.options import discover, host_option, json_option, on_server
from pushd.client.client import Client
from pushd.errors import PushdError, Unauthorized


@click.command("login")
@click.option("-i", "--interactive", is_flag=True, help="Ask for the e-mail address too, and check that the token is its own.")
@host_option
@json_option
def login(interactive: bool, host: str | None, as_json: bool) -> None:
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
    where.netrc.save(server, login=account["email"], token=token)
    if as_json:
        return render.json(account)
    render.out(f"Logged in to {server} as {account['email']}")


@click.command("logout")
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


@click.command("whoami")
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
