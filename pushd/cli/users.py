"""Who has an account on the server; for its admins."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from pushd.cli import render
from pushd.cli.options import json_option, on_server
from pushd.client.client import Client
from pushd.client.server import is_this_machine
from pushd.client.shapes import UserWithInvitation


@click.command("users")
@on_server
@json_option
def list_users(client: Client, as_json: bool) -> None:
    """List who has an account on the server.

    \b
    Example:
        pushd users
    """
    rows = client.users()
    if as_json:
        return render.json(rows)
    headings = ["Email", "Role", "Apps", "Password"]
    render.table(headings, [(row["email"], row["role"], row["apps"], _password(row)) for row in rows])


@click.command("users:add")
@click.argument("email")
@click.option("--admin", is_flag=True, help="All apps and the server itself are theirs too.")
@on_server
@json_option
def add(client: Client, email: str, admin: bool, as_json: bool) -> None:
    """Make an account.

    The invitation to it is printed this once. Hand it over by a way that you trust: who has it sets the
    password.

    \b
    Examples:
        pushd users:add ada@example.com
        pushd users:add ada@example.com --admin
    """
    with render.doing(f"Adding {email}"):
        made = client.add_user(email, admin=admin)
    _show(client, made, as_json)


@click.command("users:invite")
@click.argument("email")
@click.option("--end-tokens", is_flag=True, help="End their password, their tokens and their SSH keys now.")
@on_server
@json_option
def invite(client: Client, email: str, end_tokens: bool, as_json: bool) -> None:
    """Invite a user again.

    They set a new password with it. The invitation before it ends; password and tokens hold on, unless you say otherwise.

    \b
    Examples:
        pushd users:invite ada@example.com
        pushd users:invite ada@example.com --end-tokens
    """
    with render.doing(f"Inviting {email}"):
        invited = client.invite_user(email, end_tokens=end_tokens)
    _show(client, invited, as_json)


@click.command("users:admin")
@click.argument("email")
@click.option("--off", is_flag=True, help="Make them a plain user again.")
@on_server
@json_option
def admin(client: Client, email: str, off: bool, as_json: bool) -> None:
    """Make a user an admin.

    All apps and the server itself are theirs too then.

    \b
    Examples:
        pushd users:admin ada@example.com
        pushd users:admin ada@example.com --off
    """
    with render.doing(f"Making {email} {'a plain user' if off else 'an admin'}"):
        changed = client.make_admin(email, not off)
    if as_json:
        render.json(changed)


@click.command("users:remove")
@click.argument("email")
@click.option("--apps-to", metavar="EMAIL", help="Who gets their apps and pipelines.")
@on_server
@json_option
def remove(client: Client, email: str, apps_to: str | None, as_json: bool) -> None:
    """Remove an account.

    Its tokens, keys and access to apps end at once. What it built and released stays, under its name.

    \b
    Examples:
        pushd users:remove ada@example.com
        pushd users:remove ada@example.com --apps-to ben@example.com
    """
    with render.doing(f"Removing {email}"):
        removed = client.remove_user(email, apps_to=apps_to)
    if as_json:
        render.json(removed)


def _show(client: Client, row: UserWithInvitation, as_json: bool) -> None:
    if as_json:
        return render.json(row)
    assert row["invitation"] is not None
    until = datetime.fromisoformat(row["invitation"]["expires_at"]).astimezone(UTC)
    render.pairs({"Invitation": row["invitation"]["token"], "Valid until": f"{until:%Y/%m/%d %H:%M:%S %z}, once"})
    render.hint(f"They set their password with it: git pushd login --invitation {client.server}")
    if is_this_machine(client.server):
        render.hint("From another machine they name it as they reach it, such as https://myserver:5000.")


def _password(row: UserWithInvitation) -> str:
    if row["has_password"]:
        return "set"
    return "invited" if row["invitation"] else "none"
